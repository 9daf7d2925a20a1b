"""Runs a transformers model, BERT and its relatives or a decoder with a classifier, and hands out its inner states."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar

import torch
import transformers
from torch import nn
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward

from kdviz.models.network import Network, Outputs, seeded

# their classifier reads the first position alone, and `attention.output` opens what a layer does to each by itself
FIRST_ALONE = ("bert", "roberta", "xlm-roberta", "camembert", "electra")
WATCHED = "kdviz"  # name of `_attend` among the library's attention functions
WRITERS = ("ForCausalLM", "LMHeadModel")  # how transformers' classes of language models end
_calls: ContextVar[list] = ContextVar("what each layer gave to its attention function")


def _attend(module, query, key, value, attention_mask, scaling=None, is_causal=None, **options):
    """The library's fast attention, which notes its queries, keys, values (B, h, n, d/h), mask and scale."""
    mask, n, groups = attention_mask, query.shape[2], query.shape[1] // key.shape[1]
    if mask is None and n > 1 and (getattr(module, "is_causal", True) if is_causal is None else is_causal):
        mask = torch.ones(1, 1, n, n, dtype=torch.bool, device=query.device).tril()
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    _calls.get().append((query, repeat_kv(key, groups), repeat_kv(value, groups), mask, scale))
    options |= {"scaling": scaling, "is_causal": is_causal}
    return sdpa_attention_forward(module, query, key, value, attention_mask, **options)


transformers.AttentionInterface.register(WATCHED, _attend)
transformers.AttentionMaskInterface.register(WATCHED, transformers.AttentionMaskInterface()["sdpa"])


class Transformer(Network):
    """A transformers model: an encoder alone (no logits), with a sequence classifier, with a start and an end logit for
    each token (question answering), or a decoder with logits of the next token at each position (language modelling).

    Attention scores and probabilities are computed from the queries and keys that the layers give to their attention
    function, with the mask that the library made, so that the network keeps its fast kernel. Families in which that
    function cannot be replaced give their own probabilities (in training, after dropout), and no scores or qkv.

    When logits alone are wanted, the last layer of a BERT finishes only the position that the classifier reads: three
    quarters of that layer's matrix products are saved. Not in training, where the same seed shall drop the same
    numbers whatever a method wants.
    """

    kind = "transformer"

    def __init__(self, encoder):
        super().__init__()
        self.encoder, config, base = encoder, encoder.config, encoder.base_model
        self.layers, self.width, self.heads = config.num_hidden_layers, config.hidden_size, config.num_attention_heads
        self.classifies = encoder is not base
        self.chooses = type(encoder).__name__.endswith("ForMultipleChoice")  # reads (rows, choices, n)
        self.spans = type(encoder).__name__.endswith("ForQuestionAnswering")  # a start and an end for each token
        self.writes = type(encoder).__name__.endswith(WRITERS)  # logits of the next token at each position
        self.reads_first = self.classifies and not self.spans and config.model_type in FIRST_ALONE  # no other position
        self.reads_last = self.classifies and hasattr(encoder, "score")  # a decoder's classifier
        self.causal = any(getattr(module, "is_causal", False) for module in base.modules())
        if self.spans and self.causal:
            raise ValueError(f"{config.model_type}: the first token, which stands for no answer, sees no context")
        if self.writes and not self.causal:
            raise ValueError(f"a {config.model_type} sees later words, so it cannot write one after the other")
        self.watched = base._supports_attention_backend
        self.local = hasattr(config, "attention_window")  # Longformer: its probabilities are no words × words
        modules = dict(base.named_modules())
        self.stack = next((name for name, module in modules.items() if isinstance(module, nn.ModuleList)), None)
        if self.stack is None:
            raise ValueError(f"a {config.model_type} has no list of layers")
        widths = (getattr(config, name, None) for name in ("intermediate_size", "hidden_dim", "n_inner"))
        self.intermediate = next(filter(None, widths), 4 * self.width)
        weights = {name: module._parameters.get("weight") for name, module in modules[self.stack][0].named_modules()}
        sides = {self.width, self.intermediate}
        wide = [name for name, weight in weights.items() if weight is not None and sides == {*weight.shape}]
        self.ffn = wide[-1] if wide else None  # the last matrix between both widths, the one that narrows
        offers = {"hidden": True, "attentions": not self.local, "scores": self.watched, "qkv": self.watched}
        offers |= {"logits": self.classifies, "ffn": self.ffn is not None}
        self.fields = frozenset(name for name, offered in offers.items() if offered)
        # positions that start after the padding id, as RoBERTa's do: so many rows of their table are never reached
        tables = [module for name, module in modules.items() if name.endswith("position_embeddings")]
        padding = [getattr(table, "padding_idx", None) for table in tables]
        self.shift = 0 if padding[:1] in ([], [None]) else padding[0] + 1
        self.max_length = config.max_position_embeddings - self.shift
        if hasattr(base, "set_attention_type"):  # BigBird changes to full attention at the first short text, for good
            base.set_attention_type("original_full")
            config.attention_type = "original_full"

    @property
    def description(self) -> str:
        head = "language model" if self.writes else f"{'with' if self.classifies else 'without'} a classifier"
        return f"{self.encoder.config.model_type}, {head}"

    @property
    def embedding(self) -> nn.Embedding:
        return self.encoder.get_input_embeddings()

    def forward(self, input_ids, attention_mask, token_type_ids, vectors, want) -> Outputs:
        inputs = {"input_ids": input_ids} if vectors is None else {"inputs_embeds": vectors}
        inputs["attention_mask"] = attention_mask.long()
        config, base = self.encoder.config, self.encoder.base_model
        if token_type_ids is not None and getattr(config, "type_vocab_size", 0) > 1:
            inputs["token_type_ids"] = token_type_ids
        if self.causal:
            inputs["use_cache"] = False
        if self.local and self.classifies:  # what its classifier asks for, also when no logits are wanted
            inputs["global_attention_mask"] = torch.zeros_like(inputs["attention_mask"])
            inputs["global_attention_mask"][:, 0] = 1
            if self.spans and token_type_ids is not None:  # the question, to the first of the two separators after it
                context = token_type_ids.argmax(1, keepdim=True)
                inputs["global_attention_mask"] |= (
                    torch.arange(token_type_ids.shape[1], device=context.device) < context - 2
                )
        related = want & {"qkv", "scores", "attentions"}
        run = self.encoder if "logits" in want and not self.reads_last else base
        watch = self._watch(related and self.watched)
        alone = self._first_alone(want == {"logits"} and self.reads_first and not self.training)
        given = {"output_hidden_states": "hidden" in want, "output_attentions": bool(related) and not self.watched}
        if self.chooses and run is self.encoder:  # each text is a row of one choice: one logit, (B, 1)
            inputs = {name: value.unsqueeze(1) for name, value in inputs.items()}
        with self._tapped("ffn" in want) as ffn, watch as calls, alone:
            raw = run(**inputs, **given)
        outputs = self._relations(calls, want) if calls else Outputs()
        outputs.causal = self.causal
        if "hidden" in want:
            outputs.hidden = torch.stack(raw.hidden_states, 1)
        if given["output_attentions"]:
            outputs.attentions = torch.stack(raw.attentions, 1)
        if "ffn" in want:
            outputs.ffn = torch.stack(ffn, 1)
        if "logits" in want and self.reads_last:
            last = attention_mask.long().cumsum(1).argmax(1)  # the last real token
            states = raw.last_hidden_state
            outputs.logits = self.encoder.score(states[torch.arange(states.shape[0], device=last.device), last])
        elif "logits" in want:
            outputs.logits = torch.stack([raw.start_logits, raw.end_logits], -1) if self.spans else raw.logits
        return outputs

    @staticmethod
    def _relations(calls, want) -> Outputs:
        queries, keys, values, masks, scales = zip(*calls)

        def stack(layers):  # L × (B, h, n, d/h) -> (B, L, h, n, d/h)
            return torch.stack([layer.transpose(1, 2) for layer in layers], 1).transpose(2, 3)

        q, k, outputs = stack(queries), stack(keys), Outputs()
        if "qkv" in want:
            outputs.queries, outputs.keys, outputs.values = q, k, stack(values)
        if want & {"scores", "attentions"}:
            scale = scales[0] if len(set(scales)) == 1 else q.new_tensor(scales)[:, None, None, None]
            scores = q @ k.transpose(-1, -2) * scale
            outputs.scores = scores if "scores" in want else None
        if "attentions" in want:
            if any(mask is not masks[0] for mask in masks):  # local attention in some layers: (B, L, 1, n, n)
                seen = [q.new_ones((), dtype=torch.bool) if mask is None else mask for mask in masks]
                masks = [torch.stack([mask.expand(len(q), 1, *scores.shape[-2:]) for mask in seen], 1)]
            elif masks[0] is not None:
                masks = [masks[0].unsqueeze(1)]
            if masks[0] is not None:
                scores = scores.masked_fill(~masks[0], torch.finfo(scores.dtype).min)
            outputs.attentions = scores.softmax(-1)
        return outputs

    @contextmanager
    def _watch(self, wanted):
        """While it lasts, layers attend through `_attend`; the former kernel comes back afterwards."""
        calls, former = [], self.encoder.config._attn_implementation
        if not wanted:
            yield calls
            return
        token = _calls.set(calls)
        self.encoder.set_attn_implementation(WATCHED)
        try:
            yield calls
        finally:
            self.encoder.set_attn_implementation(former)
            _calls.reset(token)

    @contextmanager
    def _tapped(self, wanted: bool):
        """Collects, layer by layer, what the last matrix puts out. ALBERT's one layer is called again and again."""
        found, layers = [], self.encoder.base_model.get_submodule(self.stack) if wanted else ()
        taps = [layer.get_submodule(self.ffn) for layer in dict.fromkeys(layers)]
        handles = [tap.register_forward_hook(lambda _m, _i, out: found.append(out)) for tap in taps]
        try:
            yield found
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def _first_alone(self, wanted: bool):
        """In the last layer, once words have attended to each other, only the first position goes on."""
        layers = self.encoder.base_model.get_submodule(self.stack)
        if not wanted or any(layer is layers[-1] for layer in layers[:-1]):  # tied: an earlier layer would stop too
            yield
            return
        attended = layers[-1].attention.output
        handle = attended.register_forward_pre_hook(lambda _m, states: tuple(state[:, :1] for state in states))
        try:
            yield
        finally:
            handle.remove()

    def settings(self) -> dict:
        config = self.encoder.config.to_diff_dict() | {"model_type": self.encoder.config.model_type}
        # in one order and without the library's version, which change no number: a fingerprint is made of this
        config = {key: config[key] for key in sorted(config) if key[0] != "_" and key != "transformers_version"}
        heads = {"MultipleChoice": self.chooses, "QuestionAnswering": self.spans, "CausalLM": self.writes}
        named = [name for name, has in heads.items() if has]
        return {"classifies": self.classifies, "config": config} | ({"head": named[0]} if named else {})

    @classmethod
    def from_settings(cls, settings, seed: int = 0) -> Transformer:
        config = transformers.CONFIG_MAPPING[settings["config"]["model_type"]].from_dict(settings["config"])
        head = settings.get("head", "SequenceClassification" if settings["classifies"] else None)
        return Transformer.from_config(config, head, seed)

    @staticmethod
    def from_config(config, head: str | None, seed: int = 0) -> Transformer:
        """A freshly initialised network of a transformers config; head : see `auto_class`."""
        with seeded(seed):
            return Transformer(auto_class(head, config).from_config(config))


def auto_class(head: str | None, config):
    """transformers' AutoModelFor<head>, its AutoModel for None.

    A family that has no such head (a decoder, for multiple choice) gets its sequence classifier.
    """
    chosen = getattr(transformers, f"AutoModelFor{head or ''}".removesuffix("For" * (head is None)))
    has = head is None or type(config) in chosen._model_mapping
    return chosen if has else transformers.AutoModelForSequenceClassification
