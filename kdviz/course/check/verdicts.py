"""Claim checks: does a difference stand out from the luck of the seeds?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from kdviz import analysis


@dataclass(frozen=True)
class Interval:
    """A mean and the half-width of its 95 % interval over seeds (Student's t)."""

    mean: float
    half: float

    def __str__(self) -> str:
        return f"{self.mean:.{self.places}f} ± {self.half:.{self.places}f}"

    @property
    def places(self) -> int:
        """Decimals to print: three, and more when two digits of a narrow interval need them."""
        return 3 if not self.half else min(6, max(3, 1 - math.floor(math.log10(self.half))))


def interval(values: Sequence[float]) -> Interval:
    """Mean ± 95 % interval of two or more values, one per seed. The interval covers the luck of the seeds only."""
    if len(values) < 2:
        raise ValueError(f"{len(values)} value: an interval needs runs with two seeds or more")
    if not all(map(math.isfinite, values)):
        raise ValueError(f"scores must be finite, got {list(values)}: did a run diverge?")
    return Interval(fmean(values), analysis.half_width(values))


def claim(
    text: str, scores: Mapping[str, Sequence[float]], new: str, old: str, *, better: str = "higher", margin: float = 0.0
) -> str:
    """Print what this run says about a claim "`new` is better than `old`", and return the verdict.

    scores : name of a method -> one score per seed, the same seeds in the same order
    better : "higher" for accuracy, "lower" for a distance
    margin : the largest difference that would not matter, chosen before the runs
    The runs are compared pair by pair, seed by seed. The claim is *seen here* when the whole 95 % interval of the
    difference lies on the claim's side of 0, and *the opposite is seen* when it lies on the other side. Where it covers
    0, there is *no difference of more than* the margin when the whole interval lies within it; else it is *too noisy
    to tell*.
    """
    gain, verdict = _judge(scores, new, old, better, margin)
    width = max(len(new), len(old), len("difference"))
    print(f"Claim: {text}")
    for name in (new, old):
        print(f"  {name:<{width}}  {interval(scores[name])}")
    print(f"  {'difference':<{width}}  {gain}   ({better} is better; {len(scores[new])} paired seeds, 95 % interval)")
    print(f"  Verdict: {verdict}.")
    return verdict


def claims(rows, wanted: Mapping[str, tuple[str, str]], split: str = "test", margin: float = 0.0) -> dict[str, str]:
    """Print what recorded rows say about several claims, and return the verdict of each.

    rows   : table of one task as from `kd.recorded`, a row for each method and seed
    wanted : text of the claim -> (new, old), names of the two methods
    split  : whose scores are compared; higher is better
    margin : as in `claim`
    Raises ValueError for a method or a split that the rows do not hold, and for two methods with different seeds.
    """
    if split not in rows:
        raise ValueError(f"no split {split!r} in these rows, whose columns are {', '.join(map(str, rows))}")
    seeds = {name: group.set_index("seed")[split].sort_index() for name, group in rows.groupby("method", sort=False)}
    scores = {name: values.tolist() for name, values in seeds.items()}
    first, count = rows.iloc[0], rows["seed"].nunique()
    about = f"{first['task']}, {first['labels']:.0%} of the labels, {count} seeds, {split}"
    print(f"{about}: mean ± 95 % interval, differences seed by seed")
    verdicts = {}
    for text, (new, old) in wanted.items():
        if missing := [name for name in (new, old) if name not in scores]:
            raise ValueError(f"no {', '.join(missing)} in these rows, which hold {', '.join(scores)}")
        own, others = (list(seeds[name].index) for name in (new, old))
        if own != others:
            raise ValueError(f"{new} has the seeds {own}, {old} {others}: pairs need the same")
        gain, verdicts[text] = _judge(scores, new, old, "higher", margin)
        print(f"  {text}: {verdicts[text]}")
        print(f"      {new} {interval(scores[new])}, {old} {interval(scores[old])}, difference {gain}")
    return verdicts


def _judge(scores, new: str, old: str, better: str, margin: float) -> tuple[str, str]:
    """The paired difference with its sign and interval, and the verdict."""
    if better not in ("higher", "lower"):
        raise ValueError(f'better={better!r}: choose "higher" or "lower"')
    if len(scores[new]) != len(scores[old]):
        raise ValueError(f"{len(scores[new])} scores of {new!r}, {len(scores[old])} of {old!r}: use the same seeds")
    gain = interval([a - b for a, b in zip(scores[new], scores[old])])
    low, high = (gain.mean - gain.half, gain.mean + gain.half)
    if better == "lower":
        low, high = -high, -low
    if low > 0 or high < 0:
        verdict = analysis.SEEN if low > 0 else analysis.OPPOSITE
    else:
        verdict = analysis.EQUAL.format(margin) if max(-low, high) <= margin else analysis.NOISY
    return f"{'' if gain.mean < 0 else '+'}{gain}", verdict
