"""Search for a method's settings: the same number of draws for every method, each scored on dev, nothing on test."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from torch import nn

from kdviz.disk import read_json, write_json
from kdviz.training.distill import NAMES, distill

SEEDS = (1000, 1001)  # for searching alone: a result has others


def draw_settings(space: Mapping, draws: int, sample: int = 0) -> list[dict]:
    """`draws` points of a space of settings, spread evenly in every direction (a scrambled Sobol sequence).

    space : name -> (low, high), positive, drawn log-uniformly and rounded when both are whole numbers; or a list, one
            of which is taken
    More draws begin with the same ones. ValueError for a range that cannot be.
    """
    from scipy.stats import qmc

    for name, choice in space.items():
        if isinstance(choice, tuple):
            numbers = len(choice) == 2 and all(isinstance(end, int | float) for end in choice)
            if not numbers or not 0 < choice[0] < choice[1]:
                raise ValueError(f"space[{name!r}]={choice!r}: a range is (low, high) with 0 < low < high")
        elif not isinstance(choice, Sequence) or isinstance(choice, str) or not choice:
            raise ValueError(f"space[{name!r}]={choice!r}: write a range (low, high) or a list of values")
    if draws < 1:
        raise ValueError(f"draws={draws}: must be 1 or more")
    if not space:
        return [{}] * draws
    points = qmc.Sobol(len(space), seed=sample).random_base2(max(1, math.ceil(math.log2(draws))))[:draws]
    return [{name: _value(space[name], float(u)) for name, u in zip(space, point)} for point in points]


def _value(choice, u: float):
    """What a number from 0 to 1 stands for."""
    if not isinstance(choice, tuple):
        return choice[min(int(u * len(choice)), len(choice) - 1)]
    low, high = choice
    value = math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
    return round(value) if all(isinstance(end, int) for end in choice) else float(f"{value:.3g}")


@dataclasses.dataclass
class Tuning:
    """What `tune` found.

    label : the method's name
    table : a row a run: draw, seed, the drawn settings, dev (the score of the returned student, NaN where it
            diverged), seconds
    points : the settings of each draw
    """

    label: str
    table: pd.DataFrame
    points: list[dict]

    @property
    def scores(self) -> pd.Series:
        """Mean dev score of each draw over its seeds; a draw that diverged counts as 0."""
        return self.table.assign(dev=self.table["dev"].fillna(0.0)).groupby("draw")["dev"].mean()

    @property
    def best(self) -> dict:
        """The settings of the best draw, as `distill` and the method take them."""
        return self.points[int(self.scores.idxmax())]

    def plot(self):
        """The best dev accuracy to expect of 1, 2, … draws: a steep curve is a method that needs the search."""
        from kdviz.figures.curves import best_of_draws

        return best_of_draws({self.label: self})

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False, float_format="{:.4g}".format)

    def __repr__(self) -> str:
        best = ", ".join(f"{name}={value!r}" for name, value in self.best.items()) or "nothing to choose"
        return f"{self.label}: best of {len(self.scores)} draws {best}, dev {self.scores.max():.3f}"


def tune(
    method: Callable,
    space: Mapping,
    task,
    student: nn.Module | Callable[[int], nn.Module],
    teacher=None,
    *,
    draws: int = 8,
    seeds: Sequence[int] = SEEDS,
    sample: int = 0,
    folder=None,
    progress: str = "auto",
    **settings,
) -> Tuning:
    """Train a method with `draws` settings and several seeds each; which is best is judged on dev alone.

    Parameters
    ----------
    method : a Method class, or a function that makes a method from its drawn settings
    space : what is drawn, see `draw_settings`: settings of the method, and of the run such as ``lr``
    task, teacher : as for `kdviz.distill`
    student : a Model, or a function that builds one from a seed, so that each seed has a start of its own
    draws, seeds, sample : how many points, the seeds of each, and which sequence of points
    folder : a file for each finished run; a search that was stopped goes on there
    progress : "off" says nothing, anything else a line a finished run
    settings : of `kdviz.distill`, the same in all runs

    Returns
    -------
    Tuning

    Raises
    ------
    ValueError : for a space that names no setting, a folder with another search, and when every draw diverged

    Examples
    --------
    >>> found = kd.tune(kd.CKD, {"lr": (3e-4, 1e-2), "beta": (1, 100)}, task, student, teacher, folder="search")
    >>> kd.distill(student, teacher, task, kd.CKD(beta=found.best["beta"]), lr=found.best["lr"])
    """
    of_run = [name for name in space if name in NAMES]
    known = inspect.signature(method).parameters
    if not any(one.kind is one.VAR_KEYWORD for one in known.values()):
        for name in space:
            if name not in known and name not in NAMES:
                raise ValueError(f"space has {name!r}: neither the method ({', '.join(known)}) nor distill has it")
    if twice := [name for name in of_run if name in settings]:
        raise ValueError(f"{twice[0]}={settings[twice[0]]!r} is fixed and stands in the space, too: leave one out")
    points = draw_settings(space, draws, sample)
    folder = None if folder is None else Path(folder)
    if folder is not None:
        about = {"method": _made(method, points[0], of_run).name, "space": {k: list(v) for k, v in space.items()}}
        _same(folder / "search.json", about | {"seeds": list(seeds), "sample": sample, "settings": settings})
    rows = []
    for number, point in enumerate(points):
        for seed in seeds:
            path = None if folder is None else folder / f"{number}-{seed}.json"
            if path is None or not path.is_file():
                row = _run(method, point, of_run, task, student, teacher, seed, settings)
                row = {"draw": number, "seed": seed} | row
                if path is not None:
                    write_json(path, row)
            else:
                row = read_json(path, "remove it, and it is run again")
            rows.append({"draw": number, "seed": seed} | point | row)
            if progress != "off":
                words = ", ".join(f"{name}={value}" for name, value in point.items())
                dev = "diverged" if row["dev"] is None else f"dev {row['dev']:.3f}"
                print(f"run {len(rows)} of {draws * len(seeds)}: {words}, seed {seed}: {dev}", flush=True)
    table = pd.DataFrame(rows).astype({"dev": float})
    if table["dev"].isna().all():
        raise ValueError(f"all {draws} draws diverged: choose lower rates than {space.get('lr', settings.get('lr'))}")
    return Tuning(_made(method, points[0], of_run).name, table, points)


def _made(method, point: dict, of_run):
    return method(**{name: value for name, value in point.items() if name not in of_run})


def _run(method, point, of_run, task, student, teacher, seed, settings) -> dict:
    """dev and seconds of one run; dev None where the loss left the numbers."""
    started = time.process_time()
    start = student if isinstance(student, nn.Module) else student(seed)
    drawn = {name: point[name] for name in of_run}
    try:
        how = {"seed": seed, "score": (), "progress": "off"} | drawn | settings
        dev = distill(start, teacher, task, _made(method, point, of_run), **how).chosen[task.kind.primary]
    except FloatingPointError:
        dev = None
    return {"dev": dev, "seconds": round(time.process_time() - started, 1)}


def _same(path: Path, search: dict) -> None:
    """Write what is searched; ValueError when the folder holds another search."""
    search = json.loads(json.dumps(search, default=str))
    if path.is_file():
        former = read_json(path, "remove its folder to search again")
        for name, value in search.items():
            if former.get(name) != value:
                raise ValueError(
                    f"{path.parent} holds another search: {name} was {former.get(name)!r}, is now {value!r}; "
                    "choose another folder"
                )
    else:
        write_json(path, search)
