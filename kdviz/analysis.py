"""All statistics in one place: intervals, paired differences, Holm's correction, and methods side by side.

scipy is imported where it is used: it takes about a second, and training needs none of it to start.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

SCORED = ("test", "ood_lexicon", "ood_natural", "adversarial", "attacked")  # splits of a recorded row
FEWEST_SEEDS = 3  # in common, to speak of the interval of a difference
SEEN, OPPOSITE, NOISY = "seen here", "the opposite is seen", "too noisy to tell"
EQUAL = "no difference of more than {:g}"


def half_width(values, level: float = 0.95) -> float:
    """Half of Student's t interval of the mean of `values`; NaN for one value, which says nothing of its spread."""
    from scipy import stats

    return float(stats.t.ppf((1 + level) / 2, len(values) - 1) * pd.Series(values, dtype=float).sem())


def interval(values, level: float = 0.95) -> tuple[float, float]:
    """Student's t interval of the mean of `values`, (low, high); NaN for one value."""
    mean, half = float(pd.Series(values, dtype=float).mean()), half_width(values, level)
    return mean - half, mean + half


def wilson(share: float, count: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of a share of `count` trials, (low, high). Wilson 1927."""
    from scipy import stats

    found = stats.binomtest(round(share * count), count).proportion_ci(level, method="wilson")
    return float(found.low), float(found.high)


def of_score(spread: str | None, score: float, count: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of one run's score on `count` rows: of a "share" Wilson's, of a "correlation" Fisher's, else NaN."""
    from scipy import stats

    if spread == "share":
        return wilson(score, count, level)
    if spread != "correlation" or count < 4:
        return float("nan"), float("nan")
    half = stats.norm.ppf((1 + level) / 2) / (count - 3) ** 0.5
    middle = np.arctanh(np.clip(score, -1 + 1e-12, 1 - 1e-12))
    return float(np.tanh(middle - half)), float(np.tanh(middle + half))


def p_value(differences) -> float:
    """Two-sided p-value of "the mean of these paired differences is 0" (Student's t)."""
    from scipy import stats

    differences = pd.Series(differences, dtype=float)
    mean, error = differences.mean(), differences.sem()
    return float(2 * stats.t.sf(abs(mean) / error, len(differences) - 1)) if error else float(mean == 0)


def holm(p_values) -> list[float]:
    """Corrected for being m questions: m times the smallest p-value, m - 1 times the next, never falling. Holm 1979."""
    rising = pd.Series(p_values, dtype=float).sort_values()
    return (rising * np.arange(len(rising), 0, -1)).cummax().clip(upper=1).sort_index().tolist()


def best_of(scores) -> list[float]:
    """The best score to expect of 1, 2, … n draws taken from these n without putting back (Dodge et al. 2019)."""
    rising = sorted(scores)
    count = len(rising)
    return [
        sum(score * math.comb(below, taken - 1) for below, score in enumerate(rising)) / math.comb(count, taken)
        for taken in range(1, count + 1)
    ]


@dataclass
class Comparison:
    """What `compare` found.

    table : one row per method and split with mean, low, high (95 %), sd and runs, the number of seeds. Of paired
        differences the columns also hold the baseline, p (corrected but for the primary row) and the verdict.
    score : what is compared
    """

    table: pd.DataFrame
    score: str = "accuracy"

    def plot(self, split: str | None = None):
        """Dots with intervals, a plotly figure of one split (test, where there is one); of paired differences a forest.

        Raises ValueError for a split that no run was scored on.
        """
        from kdviz.figures.runs import comparison_figure

        known = list(dict.fromkeys(self.table["split"]))
        split = split or ("test" if "test" in known else known[0])
        if split not in known:
            raise ValueError(f"no run was scored on {split!r}; choose among {', '.join(known)}")
        return comparison_figure(self.table, split, self.score)

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False, float_format="{:.3f}".format)

    def __repr__(self) -> str:
        return self.table.to_string(index=False, float_format="{:.3f}".format)


def compare(runs, score: str | None = None, *, paired: str | None = None, **of_pairs) -> Comparison:
    """Average the runs of each label over seeds; or compare each label with a baseline, seed by seed.

    Parameters
    ----------
    runs : what `distill` returned, or rows of a recorded table (`kd.recorded`) of one task and one share of labels
    score : of runs, None for the one that their task is judged by; recorded rows hold accuracies
    paired : name of the baseline, for a table of differences
    of_pairs : then also `split`, `primary`, `margin`, `better`, see `differences`

    Returns
    -------
    Comparison
        Intervals are Student's t over the seeds. That of a single run is the run's own, which knows of the size of
        the split, not of the luck of the seed.

    Raises
    ------
    ValueError
        When there is no run, or two runs of one label have the same seed or another task.
    """
    of_runs = not isinstance(runs, pd.DataFrame)
    runs = list(runs) if of_runs else runs
    if of_runs and runs and score is None:
        score = runs[0].primary
    rows = _rows_of(runs, score) if of_runs else runs
    _check(rows)
    score = score or "accuracy"
    if paired is not None:
        return Comparison(differences(rows, paired, **of_pairs), score)
    found = []
    for label, group in rows.groupby("method", sort=False):
        for split in group.columns.drop(["method", "task", "seed"]) if of_runs else [x for x in SCORED if x in group]:
            if values := group[split].dropna().tolist():  # rows may have been recorded before this split was
                found.append({"method": label, "split": split} | _summary(values))
    table = pd.DataFrame(found)
    for run in runs if of_runs and score == runs[0].primary else []:
        for split, own in run.scores.items():
            alone = (table["method"] == run.label) & (table["split"] == split) & (table["runs"] == 1)
            table.loc[alone, ["low", "high"]] = own["low"], own["high"]
    return Comparison(table, score)


def differences(
    rows: pd.DataFrame,
    baseline: str,
    split: str = "test",
    primary: str | None = None,
    margin: float = 0.0,
    better: str = "higher",
) -> pd.DataFrame:
    """Each method minus the baseline, over the seeds that both have, with a verdict.

    Parameters
    ----------
    rows : method, seed and scores; a row for each run
    baseline : the method that the others are compared with
    primary : the method whose comparison was declared before its rows existed. Its p-value stands as it is; those of
        all other rows get Holm's correction
    margin : differences up to this size do not matter, in the unit of the scores (0.01 is one point of accuracy)
    better : "higher" scores, or "lower" ones, as of a loss

    Returns
    -------
    DataFrame
        The verdict is *seen here* or *the opposite is seen* where p ≤ 0.05; else *no difference of more than x* where
        the interval lies within ±x, the margin (two one-sided tests, Schuirmann 1987); else *too noisy to tell*.

    Raises
    ------
    ValueError
        For a method or split that the rows do not hold, and when fewer than 3 seeds are in common.
    """
    scores = _by_seed(rows, split)
    if missing := [name for name in (baseline, primary or baseline) if name not in scores]:
        raise ValueError(f"no {missing[0]} in these rows, which hold {', '.join(scores)}")
    if better not in ("higher", "lower"):
        raise ValueError(f'better={better!r}: choose "higher" or "lower"')
    apart = {name: _apart(scores, name, baseline) for name in scores.columns.drop(baseline)}
    names = {"baseline": baseline, "split": split}
    table = pd.DataFrame([{"method": name} | names | _summary(gap.tolist()) for name, gap in apart.items()])
    table["p"] = [p_value(gap) for gap in apart.values()]
    rest = table["method"] != primary
    table.loc[rest, "p"] = holm(table.loc[rest, "p"])
    gain = table["mean"] * (1 if better == "higher" else -1)
    table["verdict"] = NOISY
    table.loc[(table["low"] >= -margin) & (table["high"] <= margin), "verdict"] = EQUAL.format(margin)
    table.loc[(table["p"] <= 0.05) & (gain > 0), "verdict"] = SEEN
    table.loc[(table["p"] <= 0.05) & (gain < 0), "verdict"] = OPPOSITE
    return table


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

    Two methods are told apart when the t interval of their differences, seed by seed, does not hold 0. With m methods
    there are m(m-1)/2 questions, so each is asked at the level 1 - (1 - level)/(m(m-1)/2) (Bonferroni).
    rows : of one task and one share of labels. Raises ValueError when two methods have fewer than 3 seeds in common.
    """
    _check(rows)
    scores = _by_seed(rows, split)
    names, found = list(scores), []
    questions = max(1, len(names) * (len(names) - 1) // 2)
    for one, other in itertools.combinations(names, 2):
        apart = _apart(scores, one, other)
        low, high = interval(apart, 1 - (1 - level) / questions)
        if low > 0:
            found.append((one, other, apart.mean(), low, high))
        elif high < 0:
            found.append((other, one, -apart.mean(), -high, -low))
    pairs = pd.DataFrame(found, columns=["better", "worse", "difference", "low", "high"])
    pairs = pairs.sort_values("difference", ascending=False, ignore_index=True)
    return Recommendation(pairs, [name for name in names if name not in set(pairs["worse"])])


def _summary(values: list[float]) -> dict:
    low, high = interval(values)
    series = pd.Series(values, dtype=float)
    return {"mean": series.mean(), "low": low, "high": high, "sd": series.std(), "runs": len(values)}


def _rows_of(runs: list, score: str) -> pd.DataFrame:
    about = ({"method": run.label} | {name: run.settings.get(name) for name in ("task", "seed")} for run in runs)
    scores = ({split: found[score] for split, found in run.scores.items()} for run in runs)
    return pd.DataFrame([one | other for one, other in zip(about, scores, strict=True)])


def _check(rows: pd.DataFrame) -> None:
    """Raises ValueError unless all rows are of one task and share of labels, and each method has a seed once."""
    if rows.empty:
        raise ValueError("compare needs at least one run: what kd.distill returned, or at least one row of a table")
    if "labels" in rows and rows["labels"].nunique() > 1:
        shares = ", ".join(f"{share:g}" for share in rows["labels"].unique())
        raise ValueError(f"these rows have {shares} of the labels: compare one share")
    if len(tasks := rows["task"].unique()) > 1:
        raise ValueError(f"these runs are of different tasks ({', '.join(map(str, tasks))}): compare one at a time")
    for label, seed in rows.loc[rows.duplicated(["method", "seed"]), ["method", "seed"]].itertuples(index=False):
        raise ValueError(f"two runs are called {label!r} with seed {seed}: give one another run.label")


def _by_seed(rows: pd.DataFrame, split: str) -> pd.DataFrame:
    """Scores on `split`: a row for each seed, a column for each method in the order of the rows."""
    if split not in rows:
        raise ValueError(f"no split {split!r} in these rows, whose columns are {', '.join(map(str, rows))}")
    return rows.pivot(index="seed", columns="method", values=split)[list(dict.fromkeys(rows["method"]))]


def _apart(scores: pd.DataFrame, one: str, other: str) -> pd.Series:
    apart = (scores[one] - scores[other]).dropna()
    if len(apart) < FEWEST_SEEDS:
        seeds = f"{one} and {other} have {len(apart)} seeds in common"
        raise ValueError(f"{seeds}: {FEWEST_SEEDS} are needed to speak of an interval")
    return apart
