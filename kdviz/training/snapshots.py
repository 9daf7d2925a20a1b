"""What a student makes of a few texts while it learns: the frames of the time-lapse."""

from __future__ import annotations

from dataclasses import replace

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
        if self.steps and self.steps[-1] == step:
            self.steps.pop()
            self.states.pop()
        self.steps.append(step)
        self.states.append(encode(student, self.texts, max_length=self.max_length))

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
    """All but the attentions, which are not kept."""
    return {name: value for name, value in vars(states).items() if name != "attentions"}


def _from_dict(saved: dict) -> States:
    made = {name: _tuples(value) for name, value in saved.items()}
    return States(**made | {"mask": saved["mask"].bool()})  # of 0 and 1 in runs of former versions


def _tuples(value):
    """The lists of a file as the tuples that they were."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
