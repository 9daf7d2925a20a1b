"""Controls that could refute a method's story: what is left when what it is said to pass on is taken away?

Recorded trials run them beside the method, under its settings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional as F

from kdviz.methods.ckd import CKD
from kdviz.methods.noisy import newborn
from kdviz.methods.universal_kd import UniversalKD
from kdviz.models.teachers import load_teacher
from kdviz.training.teacher import Cached

SOURCES = ("unadapted", "untrained")
LOGITS = frozenset({"logits"})


@dataclass
class ForeignRelations(CKD):
    """CKD whose relations are another network's, its logits the teacher's: must they come from one that knows the task?

    source : "unadapted", the packaged MiniLM that never saw the task; "untrained", a network of the teacher's shape
             with random weights, a dense target that knows nothing
    """

    source: str = "unadapted"
    needs = LOGITS

    def __post_init__(self):
        super().__post_init__()
        if self.source not in SOURCES:
            raise ValueError(f"source={self.source!r}: choose among {', '.join(SOURCES)}")

    def phases(self, epochs):
        """Those of CKD; relations of the teacher are not read."""
        reads = {"student_needs": self.relation_fields | LOGITS}
        return [
            replace(phase, needs=LOGITS if phase.needs is None else frozenset(), **reads)
            for phase in super().phases(epochs)
        ]

    def setup(self, ctx):
        foreign = load_teacher() if self.source == "unadapted" else newborn(ctx.teacher, ctx.seed)
        if (foreign.layers, foreign.tokenizer_sha256) != (ctx.teacher.layers, ctx.teacher.tokenizer_sha256):
            raise ValueError(
                f"{foreign.name!r} has {foreign.layers} layers, the teacher {ctx.teacher.layers}: this control needs a "
                'teacher made of the packaged MiniLM, or source="untrained"'
            )
        self._foreign = Cached(foreign, ctx.device, ctx.forward, ctx.table, ctx.settings.cache_dtype, ctx.progress.say)

    def loss(self, student, teacher, batch, ctx):
        fields = self.relation_fields
        return super().loss(student, teacher | self._foreign.fields(batch, fields, ctx.layers(0, fields)), batch, ctx)


@dataclass
class ShuffledRelations(CKD):
    """CKD with the teacher's relations of the text's words in another order: all numbers are there, for other words.

    The order is a text's own and stays the same; special tokens keep their place.
    """

    def loss(self, student, teacher, batch, ctx):
        special = torch.tensor(ctx.student.tokenizer.all_special_ids, device=batch.input_ids.device)
        words = batch.attention_mask.bool() & ~torch.isin(batch.input_ids, special)
        order = torch.arange(words.shape[1], device=words.device).repeat(len(words), 1)
        for row, (number, here) in enumerate(zip(batch.index.tolist(), words.cpu())):
            places = here.nonzero().flatten().numpy()
            shuffled = np.random.default_rng([ctx.seed, number]).permutation(places)
            order[row, places] = torch.from_numpy(shuffled).to(order.device)
        teacher = dict(teacher)
        if (gram := teacher.get("word_gram")) is not None:  # (B, M, n, n)
            gram = gram.gather(2, order[:, None, :, None].expand_as(gram))
            teacher["word_gram"] = gram.gather(3, order[:, None, None].expand_as(gram))
        if (gram := teacher.get("layer_gram")) is not None:  # (B, n, M, M)
            teacher["layer_gram"] = gram.gather(1, order[..., None, None].expand_as(gram))
        return super().loss(student, teacher, batch, ctx)


@dataclass
class RandomDepth(UniversalKD):
    """Universal-KD without its attention: each layer of the student gets the probe of a teacher's layer by chance."""

    @staticmethod
    def mix(student, teacher):
        """student (B, J, c), teacher (B, K, c) -> weights (B, J, K), a 1 in each row, and targets (B, J, c)."""
        chosen = torch.randint(teacher.shape[1], student.shape[:2], device=teacher.device)
        weights = F.one_hot(chosen, teacher.shape[1]).to(teacher.dtype)
        return weights, weights @ teacher
