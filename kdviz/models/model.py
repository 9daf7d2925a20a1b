"""One class for every network of kdviz: what it is given, what it can be asked for, how it is kept on disk."""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from kdviz.disk import file_sha256, write_whole
from kdviz.models.tokenizers import is_packaged, load_tokenizer, tokenizer_sha256

FIELDS = frozenset({"logits", "hidden", "attentions", "scores", "qkv", "ffn"})
# architecture -> the class that runs it; each has layers, width, heads, fields, max_length, embedding,
# settings(), from_settings(settings) and forward(input_ids, attention_mask, token_type_ids, vectors, want)
NETWORKS = {
    "transformer": "kdviz.models.transformer.Transformer",
    "kronecker": "kdviz.models.kronecker.KroneckerTransformer",
    "bilstm": "kdviz.models.recurrent.BiLSTM",
    "cnn": "kdviz.models.recurrent.GatedCNN",
    "conv": "kdviz.models.convnet.ConvNet",
}


@dataclass
class Outputs:
    """What a forward pass was asked for; everything else is None.

    logits     : (B, C)
    hidden     : (B, L+1, n, d); index 0 is the embedding output
    attentions : (B, L, h, n, n) rows sum to 1, padded columns are 0, before attention dropout
    scores     : (B, L, h, n, n) QKᵀ/√(d/h), before any mask and before the softmax
    queries, keys, values : (B, L, h, n, d/h)
    ffn        : (B, L, n, d) output of the second feed-forward matrix, before residual and LayerNorm
    """

    logits: Tensor | None = None
    hidden: Tensor | None = None
    attentions: Tensor | None = None
    scores: Tensor | None = None
    queries: Tensor | None = None
    keys: Tensor | None = None
    values: Tensor | None = None
    ffn: Tensor | None = None


class Model(nn.Module):
    """A teacher or a student: a network, the tokenizer whose ids it reads, and the names of its classes.

    network    : one of `NETWORKS`
    vocabulary : None, or the tokenizer ids that the network has embedding rows for, in row order. Ids
                 outside are read as [UNK], so that one encoded batch serves a teacher and a pruned student.
    notes      : facts a reader should see, such as how much of the vocabulary was kept
    layer_map  : (the teacher's layers, this student's layers) that its training compared, or None
    """

    def __init__(self, network, tokenizer, *, name, role="model", labels=(), vocabulary=None, notes=(), layer_map=None):
        super().__init__()
        self.network, self.tokenizer = network, tokenizer
        self.name, self.role = name, role
        self.labels, self.notes = tuple(labels), tuple(notes)
        self.layer_map = layer_map and tuple(map(tuple, layer_map))
        self.vocabulary = None if vocabulary is None else tuple(int(i) for i in vocabulary)
        rows = None
        if self.vocabulary is not None:
            unknown = tokenizer.unk_token_id
            if unknown not in self.vocabulary:
                raise ValueError(f"the vocabulary must keep {tokenizer.unk_token} (id {unknown}) for unseen words")
            rows = torch.full((len(tokenizer),), self.vocabulary.index(unknown))
            rows[list(self.vocabulary)] = torch.arange(len(self.vocabulary))
        self.register_buffer("rows", rows, persistent=False)
        self._hashed = None, ""  # CRC-32 and SHA-256 of the last fingerprint

    layers = property(lambda self: self.network.layers, doc="Number of layers L.")
    width = property(lambda self: self.network.width, doc="Size d of a hidden state.")
    heads = property(lambda self: self.network.heads, doc="Attention heads per layer, or None.")
    fields = property(lambda self: self.network.fields, doc="What `want` may name for this model.")
    max_length = property(lambda self: self.network.max_length, doc="Longest input in tokens.")
    device = property(lambda self: next(self.network.parameters()).device, doc="Where the weights are.")

    def forward(
        self, input_ids, attention_mask, token_type_ids=None, *, want=frozenset({"logits"}), one_hot=None,
        words=None,
    ) -> Outputs:
        """Run the network and return what `want` names (a subset of `fields`), and only that.

        input_ids, attention_mask, token_type_ids : (B, n), ids of the tokenizer, 1/True for real tokens
        one_hot : (B, n, V) weights over the tokenizer's V tokens; replaces input_ids, differentiable (MATE-KD)
        words   : (K,) the ids that one_hot is over, (B, n, K), when that is not all of them: most of V is never needed
        Raises ValueError when a field is not offered or shapes disagree.
        """
        want = frozenset(want)
        if want - self.fields:
            raise ValueError(self._refusal(want))
        shape = tuple(attention_mask.shape)
        given = tuple(input_ids.shape) if one_hot is None else tuple(one_hot.shape[:2])
        if given != shape or len(shape) != 2:
            raise ValueError(f"inputs {given} and attention_mask {shape} must agree, as (texts, tokens)")
        if shape[1] > self.max_length:
            raise ValueError(f"{shape[1]} tokens, but {self.name!r} reads at most {self.max_length}: cut the input")
        vectors = None
        if one_hot is not None:
            told = "the tokenizer has" if words is None else "`words` has"
            words = torch.arange(len(self.tokenizer), device=self.device) if words is None else words
            if one_hot.shape[2] != len(words):
                raise ValueError(f"one_hot is over {one_hot.shape[2]} tokens, {told} {len(words)}")
            table = self.network.embedding.weight[words if self.rows is None else self.rows[words]]
            vectors, input_ids = one_hot.to(table.dtype) @ table, None
        elif self.rows is not None:
            input_ids = self.rows[input_ids]
        return self.network(input_ids, attention_mask, token_type_ids, vectors, want)

    def _refusal(self, want) -> str:
        unknown, missing = sorted(want - FIELDS), sorted(want & FIELDS - self.fields)
        if unknown:
            return f"cannot want {', '.join(unknown)}; choose among {', '.join(sorted(FIELDS))}"
        if missing == ["logits"]:
            return f"{self.name!r} has no classifier, so no logits: load or build it with a task"
        return (
            f"{self.name!r} ({self.network.description}) has no {' or '.join(missing)}; "
            f"it offers {', '.join(sorted(self.fields))}"
        )

    def unseen(self, input_ids) -> Tensor:
        """True where an id (any shape) has no row of its own and is read as [UNK]."""
        if self.rows is None:
            return torch.zeros_like(input_ids, dtype=torch.bool)
        unknown = self.tokenizer.unk_token_id
        return (self.rows[input_ids] == self.rows[unknown]) & (input_ids != unknown)

    @functools.cached_property
    def tokenizer_sha256(self) -> str:
        """Identity of the tokenizer, "" for a model of images; models with the same one can share encoded batches."""
        return "" if self.tokenizer is None else tokenizer_sha256(self.tokenizer)

    def fingerprint(self) -> str:
        """SHA-256 of weights, vocabulary and tokenizer: equal when two models compute the same.

        Every run asks for it, so the last one is kept; a CRC-32, ten times as quick, says whether anything changed since.
        """
        parts = [f"{self.tokenizer_sha256} {self.vocabulary} {self._settings()['network']}".encode()]
        for name, tensor in sorted(self.state_dict().items()):
            parts += [name.encode(), tensor.detach().cpu().contiguous().view(torch.uint8).numpy()]
        check = functools.reduce(lambda value, part: zlib.crc32(part, value), parts, 0)
        if self._hashed[0] != check:
            digest = hashlib.sha256()
            for part in parts:
                digest.update(part)
            self._hashed = check, digest.hexdigest()
        return self._hashed[1]

    def _settings(self) -> dict:
        return {
            "name": self.name,
            "role": self.role,
            "labels": self.labels,
            "notes": self.notes,
            "vocabulary": self.vocabulary,
            "layer_map": self.layer_map,
            "kind": self.network.kind,
            "network": self.network.settings(),
        }

    def save(self, folder) -> Path:
        """Write weights (safetensors) and settings (JSON) so that an interruption leaves the former version whole.

        The weights' file carries its hash in its name; ``model.json`` names it and is replaced last.
        """
        from safetensors.torch import save

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        data = save({key: value.detach().cpu().contiguous() for key, value in self.state_dict().items()})
        digest = hashlib.sha256(data).hexdigest()
        weights = f"model-{digest[:12]}.safetensors"
        write_whole(folder / weights, data)
        where = None if self.tokenizer is None else "minilm" if is_packaged(self.tokenizer) else "tokenizer"
        if where == "tokenizer":
            self.tokenizer.save_pretrained(str(folder / "tokenizer"))
        settings = self._settings() | {
            "weights": weights,
            "weights_sha256": digest,
            "tokenizer": where,
            "tokenizer_sha256": self.tokenizer_sha256,
        }
        write_whole(folder / "model.json", json.dumps(settings, indent=1).encode())
        for former in set(folder.glob("model-*.safetensors")) - {folder / weights}:
            former.unlink()
        return folder

    @classmethod
    def load(cls, folder) -> Model:
        """Read what `save` wrote. A missing or damaged file is refused by name (FileNotFoundError, ValueError)."""
        from safetensors.torch import load_file

        path = Path(folder) / "model.json"
        again = "write it again with model.save(folder), or repeat the run that made it"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: no model was saved in {folder}; {again}")
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            weights, expected = path.parent / saved["weights"], saved["weights_sha256"]
            module, _, kind = NETWORKS[saved["kind"]].rpartition(".")
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is damaged ({error!r}); {again}") from error
        if not weights.is_file():
            raise FileNotFoundError(f"{weights} is missing; {again}")
        if (found := file_sha256(weights)) != expected:
            raise ValueError(f"{weights} is damaged: its SHA-256 is {found}, expected {expected}; {again}")
        tokenizer, where = None, saved["tokenizer"]
        if where is not None:
            tokenizer = load_tokenizer(None if where == "minilm" else path.parent / where)
        if tokenizer is not None and (found := tokenizer_sha256(tokenizer)) != saved["tokenizer_sha256"]:
            raise ValueError(
                f"the tokenizer {where!r} of {path} has changed: its SHA-256 is {found}, "
                f"expected {saved['tokenizer_sha256']}; {again}"
            )
        network = getattr(importlib.import_module(module), kind).from_settings(saved["network"])
        kept = {key: saved[key] for key in ("name", "role", "labels", "notes", "vocabulary")}
        model = cls(network, tokenizer, **kept, layer_map=saved.get("layer_map"))
        model.load_state_dict(load_file(weights))
        return model.eval()

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self.parameters())
        heads = "" if self.heads is None else f", {self.heads} heads"
        lines = [f"{self.name} ({self.role}): {self.layers} layers, width {self.width}{heads}, {count / 1e6:.1f} M weights"]
        if self.labels:
            lines.append("labels: " + ", ".join(self.labels))
        return "\n  ".join([*lines, *self.notes])
