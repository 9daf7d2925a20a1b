"""Runs a transformers encoder (BERT and its relatives) and hands out its inner states."""

from __future__ import annotations

from contextlib import contextmanager

import torch
from torch import nn

from kdviz.models.model import FIELDS, Outputs

# model type -> where its layers are and, inside a layer, query, key, value and the second feed-forward matrix
_BERT = ("encoder.layer", "attention.self.query", "attention.self.key", "attention.self.value", "output.dense")
PLACES = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra"), _BERT),
    "distilbert": ("transformer.layer", "attention.q_lin", "attention.k_lin", "attention.v_lin", "ffn.lin2"),
}


class Transformer(nn.Module):
    """A transformers model: an encoder alone (no logits) or with a sequence classifier.

    Attention probabilities and scores are computed here from the queries and keys that pass by, so that the
    network itself keeps its fast attention kernel. For an architecture that is not in `PLACES`,
    attentions come from the library's eager kernel, and scores, qkv and ffn are not offered.

    When logits alone are wanted, the last layer of a BERT finishes only the position that the classifier reads: three
    quarters of that layer's matrix products are saved. Not in training, where the same seed shall drop the same
    numbers whatever a method wants.
    """

    kind = "transformer"

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder
        config = encoder.config
        self.layers, self.width, self.heads = (
            config.num_hidden_layers,
            config.hidden_size,
            config.num_attention_heads,
        )
        self.classifies = encoder is not encoder.base_model
        self.reads_first = type(encoder).__name__.endswith("ForSequenceClassification")  # and no other position
        self.places = PLACES.get(config.model_type)
        fields = FIELDS if self.places else FIELDS - {"scores", "qkv", "ffn"}
        self.fields = fields if self.classifies else fields - {"logits"}

    @property
    def description(self) -> str:
        return f"{self.encoder.config.model_type}, {'with' if self.classifies else 'without'} a classifier"

    @property
    def embedding(self) -> nn.Embedding:
        return self.encoder.get_input_embeddings()

    @property
    def max_length(self) -> int:
        config = self.encoder.config
        # RoBERTa's positions start after the padding id, so that many of its rows are never reached
        shifted = config.model_type in ("roberta", "xlm-roberta", "camembert")
        return config.max_position_embeddings - (config.pad_token_id + 1 if shifted else 0)

    def forward(self, input_ids, attention_mask, token_type_ids, vectors, want) -> Outputs:
        inputs = {"input_ids": input_ids} if vectors is None else {"inputs_embeds": vectors}
        inputs["attention_mask"] = attention_mask.long()
        if token_type_ids is not None and getattr(self.encoder.config, "type_vocab_size", 0) > 1:
            inputs["token_type_ids"] = token_type_ids
        run = self.encoder if "logits" in want else self.encoder.base_model
        eager = "attentions" in want and self.places is None
        first = want == {"logits"} and self.reads_first and self.places == _BERT and not self.training
        with self._tapped(want) as taps, self._eager(eager), self._first_alone(first):
            raw = run(**inputs, output_hidden_states="hidden" in want, output_attentions=eager)
        outputs = Outputs(
            logits=raw.logits if "logits" in want else None,
            hidden=torch.stack(raw.hidden_states, 1) if "hidden" in want else None,
            attentions=torch.stack(raw.attentions, 1) if eager else None,
            ffn=torch.stack(taps["ffn"], 1) if "ffn" in want else None,
        )
        if self.places and want & {"qkv", "scores", "attentions"}:
            self._relate(outputs, taps, attention_mask, want)
        return outputs

    def _relate(self, outputs, taps, attention_mask, want) -> None:
        def split(layers):  # L × (B, n, d) -> (B, L, h, n, d/h)
            return torch.stack(layers, 1).unflatten(-1, (self.heads, -1)).transpose(2, 3)

        queries, keys = split(taps["query"]), split(taps["key"])
        if "qkv" in want:
            outputs.queries, outputs.keys, outputs.values = queries, keys, split(taps["value"])
        if want & {"scores", "attentions"}:
            scores = queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5
            outputs.scores = scores if "scores" in want else None
            if "attentions" in want:
                padded = ~attention_mask.bool()[:, None, None, None, :]
                outputs.attentions = scores.masked_fill(padded, torch.finfo(scores.dtype).min).softmax(-1)

    @contextmanager
    def _tapped(self, want):
        """Collect, layer by layer, what the wanted inner modules put out during one forward pass."""
        names = {"ffn"} & want
        if want & {"qkv", "scores", "attentions"}:
            names |= {"query", "key"} | ({"value"} if "qkv" in want else set())
        taps, handles = {name: [] for name in names}, []
        if self.places and names:
            stack, *inner = self.places
            places = dict(zip(("query", "key", "value", "ffn"), inner))
            for layer in self.encoder.base_model.get_submodule(stack):
                for name in names:
                    keep = taps[name].append
                    module = layer.get_submodule(places[name])
                    handles.append(module.register_forward_hook(lambda _m, _i, out, keep=keep: keep(out)))
        try:
            yield taps
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def _first_alone(self, wanted):
        """In the last layer, once words have attended to each other, only the first position goes on."""
        if not wanted:
            yield
            return
        attended = self.encoder.base_model.encoder.layer[-1].attention.output
        handle = attended.register_forward_pre_hook(lambda _m, states: tuple(state[:, :1] for state in states))
        try:
            yield
        finally:
            handle.remove()

    @contextmanager
    def _eager(self, wanted):
        """The library's slow attention, which returns probabilities; the former kernel comes back afterwards."""
        if not wanted:
            yield
            return
        former = self.encoder.config._attn_implementation
        self.encoder.set_attn_implementation("eager")
        try:
            yield
        finally:
            self.encoder.set_attn_implementation(former)

    def settings(self) -> dict:
        """JSON-ready description from which `from_settings` builds the same architecture."""
        config = self.encoder.config.to_diff_dict()
        config["model_type"] = self.encoder.config.model_type
        return {
            "classifies": self.classifies,
            "config": {key: value for key, value in config.items() if not key.startswith("_")},
        }

    @classmethod
    def from_settings(cls, settings, seed: int = 0) -> Transformer:
        """A freshly initialised network; the global random state is left as it was."""
        from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

        config = AutoConfig.for_model(**settings["config"])
        build = AutoModelForSequenceClassification if settings["classifies"] else AutoModel
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(build.from_config(config))
