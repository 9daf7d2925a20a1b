"""What a student makes of a few texts while it learns: the frames of the time-lapse."""

from __future__ import annotations

from dataclasses import replace

import torch

from kdviz.states import States, encode


class Snapshots:
    """`states[i]` is the student's States at `steps[i]`; `teacher` the teacher's, to compare with.

    Relations of any layer follow from them by kdviz.relations.
    """

    def __init__(self, texts: list, teacher, every: int, max_length: int):
        self.texts, self.every, self.max_length = list(texts), every, max_length
        self.teacher: States | None = None if teacher is None else encode(teacher, self.texts, max_length=max_length)
        self.steps: list[int] = []
        self.states: list[States] = []

    def take(self, student, step: int) -> None:
        """Add a frame; a second one of the same step replaces the first."""
        was_training = student.training
        student.eval()
        states = encode(student, self.texts, max_length=self.max_length)
        student.train(was_training)
        if self.steps and self.steps[-1] == step:
            self.steps.pop()
            self.states.pop()
        self.steps.append(step)
        self.states.append(states)

    def state(self) -> dict:
        frames = [{"hidden": one.hidden, "logits": one.logits} for one in self.states]
        first = self.states[0] if self.states else None
        return {
            "every": self.every,
            "steps": self.steps,
            "frames": frames,
            "student": None if first is None else _to_dict(first),
            "teacher": None if self.teacher is None else _to_dict(self.teacher),
        }

    def load_state(self, state: dict) -> None:
        self.every, self.steps, self.states = state["every"], list(state["steps"]), []
        self.teacher = None if state["teacher"] is None else _from_dict(state["teacher"])
        if state["student"] is not None:
            first = _from_dict(state["student"])
            self.states = [replace(first, **frame) for frame in state["frames"]]

    @classmethod
    def from_state(cls, state: dict) -> Snapshots:
        """What `state` described, without any model."""
        made = cls.__new__(cls)
        made.load_state(state)
        return made


def _to_dict(states: States) -> dict:
    return {
        "name": states.name,
        "role": states.role,
        "texts": list(states.texts),
        "labels": list(states.labels),
        "tokens": [list(tokens) for tokens in states.tokens],
        "notes": list(states.notes),
        "mask": states.mask.to(torch.uint8),
        "hidden": states.hidden,
        "logits": states.logits,
        "layer_map": states.layer_map and [list(layers) for layers in states.layer_map],
    }


def _from_dict(saved: dict) -> States:
    return States(
        name=saved["name"],
        role=saved["role"],
        texts=tuple(saved["texts"]),
        labels=tuple(saved["labels"]),
        tokens=tuple(tuple(tokens) for tokens in saved["tokens"]),
        notes=tuple(saved["notes"]),
        mask=saved["mask"].bool(),
        hidden=saved["hidden"],
        logits=saved["logits"],
        layer_map=saved.get("layer_map") and tuple(map(tuple, saved["layer_map"])),
    )
