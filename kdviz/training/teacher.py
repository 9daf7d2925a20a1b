"""How a run reads its teacher: `Live`, at each step, or `Cached`, once and from disk afterwards."""

from __future__ import annotations

import torch

from kdviz.fields import Fields
from kdviz.training.cache import TeacherCache


class Live:
    """The teacher runs on every batch.

    model : the teacher, or None   forward : (model, side, batch, needs, replaced) -> Fields, `Context.forward`
    """

    def __init__(self, model, device, forward):
        # without dropout from here on: setting it at each step would take a hundredth of a step's time
        self.model = None if model is None else model.to(device).eval()
        self.device, self.forward = device, forward

    def prepare(self, needs: frozenset[str], layers: tuple[int, ...]) -> None:
        """Have these fields at hand before a phase begins."""

    def forget(self) -> None:
        """The table of rows has grown."""

    def fields(self, batch, needs: frozenset[str], layers: tuple[int, ...]) -> Fields:
        return self.live_fields(batch, needs, {})

    def live_fields(self, batch, needs: frozenset[str], replaced: dict) -> Fields:
        """The teacher read now, also for inputs that were made on the fly."""
        with torch.no_grad():
            return self.forward(self.model, 0, batch, needs, replaced)


class Cached(Live):
    """Fields of the table's rows come from disk; what is missing there is computed first, in one pass."""

    def __init__(self, model, device, forward, table, dtype: str, say, top: int | None = None):
        super().__init__(model, device, forward)
        self.table, self.dtype, self.say, self.top = table, dtype, say, top
        self.caches: dict[tuple, TeacherCache] = {}

    def prepare(self, needs, layers):
        if needs and self.model is not None:
            self._cache(frozenset(needs), layers)

    def forget(self):
        self.caches.clear()

    def fields(self, batch, needs, layers):
        if (batch.index < 0).any():  # made on the fly
            return super().fields(batch, needs, layers)
        cache = self._cache(frozenset(needs), layers)
        return cache.batch(batch.index.cpu().numpy(), needs, self.device)

    def _cache(self, needs: frozenset[str], layers: tuple[int, ...]) -> TeacherCache:
        for (there, matched), cache in self.caches.items():
            if needs <= there and matched in (layers, ()):
                return cache
        self.caches[needs, layers] = cache = TeacherCache.open(
            self.model, self.table, needs, layers, dtype=self.dtype, top=self.top, device=self.device, say=self.say
        )
        return cache
