"""One class for every network of kdviz: what it is given, what it can be asked for, how it is kept on disk."""

from __future__ import annotations

import functools
import hashlib
import importlib
from pathlib import Path

import torch
from torch import Tensor

from kdviz.data.kinds import kind_of
from kdviz.disk import check_file, make_folder, read_sealed, write_sealed, write_whole
from kdviz.models.network import FIELDS, Module, Network, Outputs, laid_out
from kdviz.models.tokenizers import ids_of, is_packaged, load_tokenizer, tokenizer_sha256, unknown_id
from kdviz.states import CHUNK, encode

NETWORKS = {  # kind -> the class that runs it
    "transformer": "kdviz.models.transformer.Transformer",
    "kronecker": "kdviz.models.kronecker.KroneckerTransformer",
    "bilstm": "kdviz.models.recurrent.BiLSTM",
    "cnn": "kdviz.models.recurrent.GatedCNN",
    "conv": "kdviz.models.convnet.ConvNet",
}
ABOUT = ("name", "role", "labels", "notes", "vocabulary", "layer_map", "task_kind")


class Model(Module):
    """A teacher or a student: a network, the tokenizer whose ids it reads, and the names of its classes.

    Parameters
    ----------
    network : Network
    tokenizer : a transformers tokenizer, or None for a network of images
    vocabulary : None, or the tokenizer ids that the network has embedding rows for, in row order. Ids
        outside are read as [UNK], so that one encoded batch serves a teacher and a pruned student.
    notes : facts a reader should see, such as how much of the vocabulary was kept
    layer_map : (the teacher's layers, this student's layers) that its training compared, or None
    task_kind : name of the kind of task that its answers are for (`kdviz.data.kinds`)
    threshold : of question answering: by how much "no answer" must be above the best span to be the answer
    """

    def __init__(
        self,
        network: Network,
        tokenizer,
        *,
        name,
        role="model",
        labels=(),
        vocabulary=None,
        notes=(),
        layer_map=None,
        task_kind="classification",
        threshold=0.0,
    ):
        super().__init__()
        self.network, self.tokenizer = network, tokenizer
        self.name, self.role = name, role
        self.labels, self.notes = tuple(labels), tuple(notes)
        self.layer_map, self.task_kind = layer_map and tuple(map(tuple, layer_map)), task_kind
        self.threshold = threshold
        self.layers, self.width, self.heads = network.layers, network.width, network.heads  # L, d, and h or None
        self.fields, self.max_length = network.fields, network.max_length
        self.vocabulary = None if vocabulary is None else tuple(int(i) for i in vocabulary)
        rows = None
        if self.vocabulary is not None:
            unknown = unknown_id(tokenizer)
            if unknown not in self.vocabulary:
                token = tokenizer.convert_ids_to_tokens(unknown)
                raise ValueError(f"the vocabulary must keep {token} (id {unknown}) for unseen words")
            rows = torch.full((ids_of(tokenizer),), self.vocabulary.index(unknown))
            rows[list(self.vocabulary)] = torch.arange(len(self.vocabulary))
        self.register_buffer("rows", rows, persistent=False)

    @property
    def choices(self) -> int:
        """Texts that an answer is about: 1, or the number of endings."""
        return kind_of(self.task_kind).choices(self.labels)

    @property
    def device(self) -> torch.device:
        """Where the weights are; of a model in several places, the first of them that holds any in memory."""
        places = (weight.device for weight in self.network.parameters() if not weight.is_meta)
        return next(places, torch.device("cpu"))

    def to(self, *where, **more) -> Model:
        """As torch's; but a teacher that `device_map` laid over several places stays there."""
        return self if laid_out(getattr(self.network, "encoder", None)) else super().to(*where, **more)

    def forward(
        self, input_ids, attention_mask, token_type_ids=None, *, want=frozenset({"logits"}), one_hot=None, words=None
    ) -> Outputs:
        """Run the network and return what `want` names (a subset of `fields`), and only that.

        input_ids, attention_mask, token_type_ids : (B, n), ids of the tokenizer, 1/True for real tokens; of multiple
            choice the K texts of a row follow each other, and logits are (B/K, K)
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
            source = "the tokenizer has" if words is None else "`words` has"
            words = torch.arange(ids_of(self.tokenizer), device=self.device) if words is None else words
            if one_hot.shape[2] != len(words):
                raise ValueError(f"one_hot is over {one_hot.shape[2]} tokens, {source} {len(words)}")
            table = self.network.embedding.weight[words if self.rows is None else self.rows[words]]
            vectors, input_ids = one_hot.to(table.dtype) @ table, None
        read = self.rows[input_ids] if vectors is None and self.rows is not None else input_ids
        outputs = self.network(read, attention_mask, token_type_ids, vectors, want)
        if outputs.logits is not None:
            kind, about = kind_of(self.task_kind), (input_ids, attention_mask, token_type_ids, self.tokenizer)
            outputs.logits = kind.inside(kind.shaped(outputs.logits, self.labels), *about)
        return outputs

    def _refusal(self, want) -> str:
        if unknown := sorted(want - FIELDS):
            return f"cannot want {', '.join(unknown)}; choose among {', '.join(sorted(FIELDS))}"
        missing = sorted(want - self.fields)
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
        unknown = unknown_id(self.tokenizer)
        return (self.rows[input_ids] == self.rows[unknown]) & (input_ids != unknown)

    def predict(self, texts, max_length: int = 128):
        """What the model answers: a DataFrame with a row a text, its "text", "label" and "p(class)" of every class.

        Of regression its "text" and the "score". Of question answering "question", "answer", "start", "end", "score":
        the characters of the context where the answer is, "" and 0 for no answer, and the probability of it. A context
        that is longer than max_length is read in windows. Of language modelling "text" and its "completion", the
        likeliest token after the likeliest token; `kdviz.models.writing.write` draws them.

        texts : a str; a (premise, hypothesis) or (question, context) tuple; or a list of either, read as `kd.encode`
                reads them; of multiple choice (beginning, [ending, …]) tuples, and "ending" is the one that was chosen
        Raises ValueError when the model has no classifier, and for what `kd.encode` refuses.
        """
        import pandas as pd

        if "logits" not in self.fields:
            raise ValueError(self._refusal({"logits"}))
        kind = kind_of(self.task_kind)
        if kind.writes:
            from kdviz.models.writing import completions

            return completions(self, texts if isinstance(texts, list) else [texts])
        items = texts if isinstance(texts, list) else [texts]
        if self.choices > 1:
            return self._choose(items, max_length)
        if kind.tokens:
            from kdviz.models.predict import answer

            return answer(self, items, max_length)
        parts = [encode(self, items[k : k + CHUNK], max_length=max_length) for k in range(0, len(items) or 1, CHUNK)]
        said = kind.said(torch.cat([part.logits for part in parts]), self.labels)
        return pd.DataFrame({"text": [text for part in parts for text in part.texts]} | said)

    def _choose(self, items, max_length: int):
        """The table of `predict` for beginnings with their endings."""
        import pandas as pd

        from kdviz.data.batches import encode_split
        from kdviz.models.predict import predict

        for row, item in enumerate(items):
            told = isinstance(item, tuple) and len(item) == 2 and isinstance(item[1], (list, tuple))
            if not told or not all(isinstance(text, str) and text.strip() for text in (item[0], *item[1])):
                raise ValueError(f"row {row} is {item!r:.60}: pass (beginning, [ending, …]), all of them texts")
            if len(item[1]) != self.choices:
                raise ValueError(f"row {row} has {len(item[1])} endings, {self.name!r} chooses among {self.choices}")
        kind = kind_of(self.task_kind)
        rows = encode_split(items, self.tokenizer, min(max_length, self.max_length), kind)
        logits = predict(self, rows)
        chosen = [endings[place] for (_, endings), place in zip(items, kind.answers(logits).tolist())]
        return pd.DataFrame({"text": [text for text, _ in items], "ending": chosen} | kind.said(logits, self.labels))

    def save_pretrained(self, folder) -> Path:
        """Write an ordinary transformers folder, see `kdviz.models.export.save_pretrained`."""
        from kdviz.models.export import save_pretrained

        return save_pretrained(self, folder)

    def export(self, folder, *, int8: bool = False, texts=None, max_length: int = 128):
        """Write ONNX, for onnxruntime without torch, see `kdviz.models.onnx.export`."""
        from kdviz.models.onnx import export

        return export(self, folder, int8=int8, texts=texts, max_length=max_length)

    @functools.cached_property
    def tokenizer_sha256(self) -> str:
        """Identity of the tokenizer, "" for a model of images; models with the same one can share encoded batches."""
        return "" if self.tokenizer is None else tokenizer_sha256(self.tokenizer)

    def fingerprint(self) -> str:
        """SHA-256 of weights, vocabulary and tokenizer: equal when two models compute the same."""
        digest = hashlib.sha256(f"{self.tokenizer_sha256} {self.vocabulary} {self.network.settings()}".encode())
        for name, tensor in sorted(self.state_dict().items()):
            if tensor.is_meta:  # on disk, from where accelerate fetches it for as long as it is needed
                module, _, last = name.rpartition(".")
                tensor = self.get_submodule(module)._hf_hook.weights_map[last]
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    def save(self, folder) -> Path:
        """Write weights (safetensors) and settings (JSON) so that an interruption leaves the former version whole.

        The weights' file carries its hash in its name; ``model.json`` names it and is replaced last. Weights that
        several layers share are written once.
        """
        from safetensors.torch import save

        folder = make_folder(folder)
        shared = self._shared()
        state = {name: value.detach().cpu() for name, value in self.state_dict().items() if name not in shared}
        data = save({name: value.clone(memory_format=torch.contiguous_format) for name, value in state.items()})
        digest = hashlib.sha256(data).hexdigest()
        weights = f"model-{digest[:12]}.safetensors"
        write_whole(folder / weights, data)
        where = None if self.tokenizer is None else "minilm" if is_packaged(self.tokenizer) else "tokenizer"
        if where == "tokenizer":
            self.tokenizer.save_pretrained(str(folder / "tokenizer"))
        settings = {key: getattr(self, key) for key in ABOUT} | {
            "kind": self.network.kind,
            "network": self.network.settings(),
            "threshold": self.threshold,
            "shared": shared,
            "weights": weights,
            "weights_sha256": digest,
            "tokenizer": where,
            "tokenizer_sha256": self.tokenizer_sha256,
        }
        write_sealed(folder / "model.json", settings)
        for former in set(folder.glob(f"model-{'[0-9a-f]' * 12}.safetensors")) - {folder / weights}:
            former.unlink()  # and not the parts of another tool's weights, model-00001-of-00002.safetensors
        return folder

    def _shared(self) -> dict[str, str]:
        """Name of every parameter that stands in several places, after the first -> its name in the first place."""
        first, shared = {}, {}
        for name, parameter in self.named_parameters(remove_duplicate=False):
            if (known := first.setdefault(id(parameter), name)) != name:
                shared[name] = known
        return shared

    @classmethod
    def load(cls, folder) -> Model:
        """Read what `save` wrote. A missing or damaged file is refused by name (FileNotFoundError, ValueError)."""
        from safetensors.torch import load_file

        path = Path(folder) / "model.json"
        again = "write it again with model.save(folder), or repeat the run that made it"
        saved = read_sealed(path, again)
        if saved["kind"] not in NETWORKS:
            raise ValueError(f"{path} is of a network {saved['kind']!r} that this version has not; {again}")
        module, _, kind = NETWORKS[saved["kind"]].rpartition(".")
        weights = path.parent / saved["weights"]
        check_file(weights, saved["weights_sha256"], again)
        tokenizer, where = None, saved["tokenizer"]
        if where is not None:
            tokenizer = load_tokenizer(None if where == "minilm" else path.parent / where)
        if tokenizer is not None and (found := tokenizer_sha256(tokenizer)) != saved["tokenizer_sha256"]:
            raise ValueError(
                f"the tokenizer {where!r} of {path} has changed: its SHA-256 is {found}, "
                f"expected {saved['tokenizer_sha256']}; {again}"
            )
        network = getattr(importlib.import_module(module), kind).from_settings(saved["network"])
        about = {key: saved[key] for key in ABOUT} | {"threshold": saved.get("threshold", 0.0)}
        model = cls(network, tokenizer, **about)
        state = load_file(weights)
        for name, first in saved["shared"].items():
            state[name] = state[first]
            place, _, last = name.rpartition(".")
            setattr(model.get_submodule(place), last, model.get_parameter(first))
        model.load_state_dict(state)
        return model.eval()

    def __repr__(self) -> str:
        count = sum(p.numel() for p in self.parameters())
        heads = "" if self.heads is None else f", {self.heads} heads"
        lines = [
            f"{self.name} ({self.role}): {self.layers} layers, width {self.width}{heads}, {count / 1e6:.1f} M weights"
        ]
        if self.network.writes:
            lines.append(f"writes {ids_of(self.tokenizer):,} tokens")
        elif self.labels:
            lines.append("labels: " + ", ".join(self.labels))
        return "\n  ".join([*lines, *self.notes])
