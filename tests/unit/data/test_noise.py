"""Label noise: seeded, in train's labels alone, of the kind that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings, strategies as st

from kdviz.data import noise
from kdviz.data.task import Task

CLASSES = 5
rates = st.floats(0, 1)


def stars(rows: int = 4000) -> Task:
    def split(offset):
        return Dataset.from_dict(
            {
                "text": [f"text {offset + i}" for i in range(rows)],
                "label": [(i * 7) % CLASSES for i in range(rows)],
                "phenomenon": ["plain"] * rows,
            }
        )

    names = ("train", "transfer", "dev", "test")
    return Task("stars", tuple("12345"), {name: split(rows * place) for place, name in enumerate(names)})


TASK = stars()


@settings(deadline=None)
@given(classes=st.integers(2, 9), rate=rates, kind=st.sampled_from([noise.symmetric, noise.neighbours]))
def test_a_transition_is_a_distribution_of_the_asked_rate(classes, rate, kind):
    matrix = kind(classes, rate)
    np.testing.assert_allclose(matrix.sum(1), 1)
    np.testing.assert_allclose(matrix.diagonal(), 1 - rate)
    assert (matrix >= 0).all()


def test_neighbours_are_the_only_mistakes_and_symmetric_ones_are_all_alike():
    near, any_other = noise.neighbours(CLASSES, 0.3), noise.symmetric(CLASSES, 0.3)
    gap = np.abs(np.subtract.outer(range(CLASSES), range(CLASSES)))
    assert (near[gap > 1] == 0).all() and near[0, 1] == 0.3 and near[2, 1] == near[2, 3] == 0.15
    assert len(set(any_other[gap > 0])) == 1


@pytest.mark.parametrize("kind", [noise.symmetric, noise.neighbours])
def test_labels_of_train_alone_become_wrong_as_often_as_asked(kind):
    matrix = kind(CLASSES, 0.3)
    noisy = noise.flip_labels(TASK, matrix, seed=1)
    train, clean = noisy["train"], np.array(TASK["train"]["label"])
    assert train["clean_label"][:] == clean.tolist()
    assert train["text"][:] == TASK["train"]["text"][:] and train["phenomenon"][:] == TASK["train"]["phenomenon"][:]
    found = np.zeros((CLASSES, CLASSES))
    np.add.at(found, (clean, np.array(train["label"])), 1)
    np.testing.assert_allclose(found / found.sum(1, keepdims=True), matrix, atol=0.06)  # 3 sd of 800 draws a class
    for split in ("transfer", "dev", "test"):
        assert noisy[split].to_dict() == TASK[split].to_dict()
    assert f"{int((np.array(train['label']) != clean).sum()):,} of 4,000" in noisy.notes[-1]
    assert TASK["train"]["label"][:] == clean.tolist()  # the task itself is left alone


def test_equal_seed_equal_noise():
    matrix = noise.symmetric(CLASSES, 0.2)
    labels = [noise.flip_labels(TASK, matrix, seed)["train"]["label"][:] for seed in (3, 3, 4)]
    assert labels[0] == labels[1] != labels[2]


@settings(deadline=None)
@given(low=rates, high=rates)
def test_what_is_wrong_at_a_low_rate_stays_wrong_at_a_higher_one(low, high):
    low, high = sorted((low, high))
    small = stars(200)
    clean = np.array(small["train"]["label"])
    less, more = (
        np.array(noise.flip_labels(small, noise.symmetric(CLASSES, rate))["train"]["label"]) for rate in (low, high)
    )
    wrong = less != clean
    assert (more[wrong] == less[wrong]).all()


def test_unlabelled_rows_stay_unlabelled_and_rate_zero_changes_nothing():
    rows = {"text": ["a", "b", "c"], "label": [0, -100, 1]}
    task = Task("few", ("x", "y"), {name: Dataset.from_dict(rows) for name in ("train", "dev", "test")})
    assert noise.flip_labels(task, noise.symmetric(2, 1.0))["train"]["label"][:] == [1, -100, 0]
    assert noise.flip_labels(task, noise.symmetric(2, 0.0))["train"]["label"][:] == [0, -100, 1]


@pytest.mark.parametrize(
    "transition, words",
    [
        (np.eye(3), r"shape \(3, 3\), task 'stars' has 5 labels"),
        (np.full((5, 5), 0.3), "of sum 1"),
        (2 * np.eye(5) - np.full((5, 5), 0.2), "of sum 1"),
    ],
)
def test_what_is_no_transition_is_refused(transition, words):
    with pytest.raises(ValueError, match=words):
        noise.flip_labels(TASK, transition)


def test_a_rate_is_a_share():
    for kind in (noise.symmetric, noise.neighbours):
        with pytest.raises(ValueError, match="rate=1.2"):
            kind(CLASSES, 1.2)
