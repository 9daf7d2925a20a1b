"""Several runs side by side: mean over seeds and how sure one can be of it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import pandas as pd
from scipy import stats


COLUMNS = ["method", "split", "mean", "low", "high", "sd", "runs"]
SCORED = ("test", "ood_lexicon", "ood_natural", "adversarial", "attacked")  # splits of a recorded row


@dataclass
class Comparison:
    """`table`: one row per method and split with mean, low, high (95 %), sd and number of runs."""

    table: pd.DataFrame

    def plot(self, split: str = "test"):
        """Dots with intervals, a plotly figure. ValueError for a split that no run was scored on."""
        from kdviz.figures.runs import comparison_figure

        known = list(dict.fromkeys(self.table["split"]))
        if split not in known:
            raise ValueError(f"no run was scored on {split!r}; choose among {', '.join(known)}")
        return comparison_figure(self.table, split)

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False, float_format=lambda value: f"{value:.3f}")

    def __repr__(self) -> str:
        return self.table.to_string(index=False, float_format=lambda value: f"{value:.3f}")


def compare(runs, score: str = "accuracy") -> Comparison:
    """Group runs by their label and average over seeds.

    runs : what `distill` returned, or rows of a recorded table (`kdviz.course.results.recorded`)

    The interval is Student's t over the seeds; with a single run it is the run's own interval (which
    knows of the size of the split, not of the luck of the seed). Raises ValueError when there is no run, and when
    two runs of one label have the same seed, or another task.
    """
    if isinstance(runs, pd.DataFrame):
        return _compare_rows(runs)
    runs = list(runs)
    if not runs:
        raise ValueError("compare needs at least one run: pass a list of what kd.distill returned")
    _check((run.label, run.settings.get("task"), run.settings.get("seed")) for run in runs)
    rows = []
    for label in dict.fromkeys(run.label for run in runs):
        group = [run for run in runs if run.label == label]
        for split in group[0].scores:
            values = [run.scores[split][score] for run in group]
            one = group[0].scores[split]
            low, high = (one["low"], one["high"]) if len(values) == 1 and score == "accuracy" else interval(values)
            rows.append({"method": label, "split": split, **summary(values), "low": low, "high": high})
    return Comparison(pd.DataFrame(rows)[COLUMNS])


def _compare_rows(table: pd.DataFrame) -> Comparison:
    if table.empty:
        raise ValueError("compare needs at least one row: the recorded table that was passed has none")
    shares = table["labels"].unique()
    if len(shares) > 1:
        raise ValueError(f"these rows have {', '.join(f'{share:g}' for share in shares)} of the labels: compare one share")
    _check(table[["method", "task", "seed"]].itertuples(index=False))
    rows = []
    for label, group in table.groupby("method", sort=False):
        for split in (split for split in SCORED if split in group):
            values = group[split].dropna().tolist()
            if not values:
                continue  # rows that were recorded before this split was
            low, high = interval(values)
            rows.append({"method": label, "split": split, **summary(values), "low": low, "high": high})
    return Comparison(pd.DataFrame(rows)[COLUMNS])


@dataclass
class Recommendation:
    """`pairs`: better, worse, difference, low, high; `unbeaten`: the methods that stand on no worse side."""

    pairs: pd.DataFrame
    unbeaten: list[str]

    def __repr__(self) -> str:
        if self.pairs.empty:
            return "No two methods can be told apart: take the cheapest."
        lines = [f"no method is better beyond doubt than: {'; '.join(self.unbeaten)}"]  # names may hold commas
        for better, group in self.pairs.groupby("better", sort=False):
            over = "; ".join(f"{row.worse} (+{100 * row.difference:.1f})" for row in group.itertuples())
            lines.append(f"{better} is better than {over}")
        return "\n".join(lines)


def recommend(rows: pd.DataFrame, split: str = "test", level: float = 0.95) -> Recommendation:
    """Which methods of a recorded table can be told apart, and so may be recommended one before the other.

    rows : of one task and one share of labels (`kdviz.course.results.recorded`)

    Two methods are told apart when the Student's t interval of their differences, seed by seed, does not hold 0. With
    m methods there are m(m-1)/2 questions, so each is asked at the level 1 - (1 - level)/(m(m-1)/2) (Bonferroni).
    Raises ValueError when two methods have fewer than 3 seeds in common.
    """
    _compare_rows(rows)
    scores = rows.pivot(index="seed", columns="method", values=split)[list(dict.fromkeys(rows["method"]))]
    names = list(scores)
    questions = max(1, len(names) * (len(names) - 1) // 2)
    found = []
    for one, other in itertools.combinations(names, 2):
        apart = (scores[one] - scores[other]).dropna()
        if len(apart) < 3:
            raise ValueError(f"{one} and {other} have {len(apart)} seeds in common: 3 are needed to speak of an interval")
        low, high = interval(apart.tolist(), 1 - (1 - level) / questions)
        if low > 0:
            found.append((one, other, apart.mean(), low, high))
        elif high < 0:
            found.append((other, one, -apart.mean(), -high, -low))
    pairs = pd.DataFrame(found, columns=["better", "worse", "difference", "low", "high"])
    pairs = pairs.sort_values("difference", ascending=False, ignore_index=True)
    return Recommendation(pairs, [name for name in names if name not in set(pairs["worse"])])


def summary(values: list[float]) -> dict:
    """Mean, standard deviation (NaN for one value) and number of values."""
    series = pd.Series(values, dtype=float)
    return {"mean": series.mean(), "sd": series.std(), "runs": len(values)}


def interval(values: list[float], level: float = 0.95) -> tuple[float, float]:
    """Student's t interval of the mean; NaN for a single value, which says nothing about its spread."""
    if len(values) < 2:
        return math.nan, math.nan
    series = pd.Series(values, dtype=float)
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * series.std() / math.sqrt(len(values))
    return series.mean() - half, series.mean() + half


def _check(names) -> None:
    """Raises ValueError unless all (label, task, seed) are of one task, and each is there once."""
    names = [tuple(name) for name in names]
    tasks = dict.fromkeys(task for _, task, _ in names)
    if len(tasks) > 1:
        raise ValueError(f"these runs are of different tasks ({', '.join(map(str, tasks))}): compare one task at a time")
    for label, _, seed in names:
        if names.count((label, *tasks, seed)) > 1:
            raise ValueError(f"two runs are called {label!r} with seed {seed}: give one another run.label")
