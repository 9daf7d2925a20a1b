"""A small task of question answering: who has what, with questions that the context does not answer."""

from __future__ import annotations

import numpy as np
import pandas as pd

import kdviz as kd

NAMES, THINGS = ("Ana", "Ben", "Carla", "Omar"), ("a red lamp", "two books", "a mirror", "some tickets")


def rows(count: int = 24, seed: int = 0) -> pd.DataFrame:
    """question, context, answer ("" for every third)."""
    draw, made = np.random.default_rng(seed), []
    for number in range(count):
        names, things = draw.permutation(NAMES)[:3], draw.permutation(THINGS)[:2]
        context = " ".join(f"{name} bought {thing}." for name, thing in zip(names, things))
        asked = 2 if number % 3 == 0 else number % 2
        answer = "" if asked == 2 else things[asked]
        made.append({"question": f"What did {names[asked]} buy?", "context": context, "answer": answer})
    return pd.DataFrame(made)


def task():
    splits = {"train": rows(), "dev": rows(12, 1), "test": rows(12, 2), "transfer": rows(12, 3)}
    return kd.load_task(**splits, kind="question-answering")
