"""Students that are no transformers: a BiLSTM and a gated convolutional network. No attention, the same tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.compiler import is_exporting
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from kdviz.models.network import Network, Outputs

POSITIONS = 512  # longest text in tokens, as for the BERT students


class _Layered(Network):
    """Word vectors, L layers of equal width, and a linear classifier on the mean of the real words of the last.

    spans : the classifier reads each token by itself instead, for question answering
    """

    fields = frozenset({"logits", "hidden"})
    heads = None
    max_length = POSITIONS

    def __init__(self, words: int, layers: int, width: int, classes: int, pad: int, dropout: float = 0.1, spans=False):
        super().__init__()
        self.spans = spans
        self.layers, self.width, self.classes = layers, width, classes
        self.embedding = nn.Embedding(words, width, padding_idx=pad)
        self.segments = nn.Embedding(2, width)  # which text of a pair a token belongs to
        self.dropout = nn.Dropout(dropout)
        self.stack = nn.ModuleList(self.layer(width) for _ in range(layers))
        self.classifier = nn.Linear(width, classes)

    def forward(self, input_ids, attention_mask, token_type_ids, vectors, want) -> Outputs:
        real = attention_mask.bool()
        if not is_exporting() and (not real[:, 0].all() or (real[:, 1:] & ~real[:, :-1]).any()):
            raise ValueError("padding must follow the words, and every text needs a word: pad on the right")
        state = self.embedding(input_ids) if vectors is None else vectors
        if token_type_ids is not None:
            state = state + self.segments(token_type_ids)
        weight = real.unsqueeze(-1).to(state.dtype)
        states = [state * weight]
        for layer in self.stack:
            states.append(self.step(layer, self.dropout(states[-1]), real) * weight)
        last = states[-1] if self.spans else states[-1].sum(1) / weight.sum(1)
        return Outputs(
            logits=self.classifier(self.dropout(last)) if "logits" in want else None,
            hidden=torch.stack(states, 1) if "hidden" in want else None,
        )

    def settings(self) -> dict:
        words, pad = self.embedding.num_embeddings, self.embedding.padding_idx
        sizes = {"words": words, "layers": self.layers, "width": self.width, "classes": self.classes}
        return sizes | {"pad": pad, "dropout": self.dropout.p} | ({"spans": True} if self.spans else {})


class BiLSTM(_Layered):
    """Reads a text forwards and backwards; half of a layer's width belongs to each direction."""

    kind = "bilstm"
    description = "BiLSTM"

    @staticmethod
    def layer(width: int) -> nn.Module:
        if width % 2:
            raise ValueError(f"hidden={width}: a BiLSTM needs an even width, half for each direction")
        return nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)

    @staticmethod
    def step(layer, state: Tensor, real: Tensor) -> Tensor:
        if is_exporting():
            return BiLSTM._onnx_step(layer, state, real)
        # packed, so that the backward direction starts at the last real word and never reads padding
        packed = pack_padded_sequence(state, real.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=state.shape[1])[0]

    @staticmethod
    def _onnx_step(layer, state: Tensor, real: Tensor) -> Tensor:
        """The same as one LSTM of ONNX, which is given the lengths: its exporter knows no packed sequences."""
        from torch.onnx.ops import symbolic_multi_out

        def both(name):  # directions; gates are input, forget, cell, output in torch, input, output, forget, cell there
            weights = torch.stack([getattr(layer, f"{name}_l0{way}") for way in ("", "_reverse")])
            return torch.cat([weights.chunk(4, 1)[gate] for gate in (0, 3, 1, 2)], 1)

        half, texts, n = layer.hidden_size, *state.shape[:2]
        bias = torch.cat([both("bias_ih"), both("bias_hh")], 1)
        given = state.transpose(0, 1), both("weight_ih"), both("weight_hh"), bias, real.sum(1).int()
        shapes = ((n, 2, texts, half), (2, texts, half), (2, texts, half))
        about = {"direction": "bidirectional", "hidden_size": half}
        found = symbolic_multi_out("LSTM", given, about, dtypes=(state.dtype,) * 3, shapes=shapes)
        return found[0].permute(2, 0, 1, 3).flatten(2)


class GatedCNN(_Layered):
    """x + (x ∗ W) ⊙ σ(x ∗ V), windows of three words (after Dauphin et al. 2017, seen from both sides)."""

    kind = "cnn"
    description = "gated CNN"

    @staticmethod
    def layer(width: int) -> nn.Module:
        return nn.Conv1d(width, 2 * width, kernel_size=3, padding=1)

    @staticmethod
    def step(layer, state: Tensor, real: Tensor) -> Tensor:
        return state + nn.functional.glu(layer((state * real.unsqueeze(-1)).transpose(1, 2)), 1).transpose(1, 2)
