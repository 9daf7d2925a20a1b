"""Fair trials: the same search for every method, declared before its rows exist.

``data/results/trials.json`` holds blocks (tasks, student, steps, methods, seeds, the primary comparison) and the space
of each method. A method of a block is first tuned, rows of the table ``tuning``; its best draw on dev is then run with
fresh seeds, rows of a table with the block's name. `declare` writes the digest of what is planned, `check` holds rows
to it.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from kdviz.course.results import OF_GROUP, Experiment, Results
from kdviz.disk import write_json
from kdviz.paths import data_dir

TUNING = "tuning"


@functools.cache
def plan() -> dict:
    """What ``data/results/trials.json`` says."""
    return json.loads((data_dir() / "results" / "trials.json").read_text(encoding="utf-8"))


@dataclass(frozen=True, kw_only=True)
class Trial(Experiment):
    """One run of a block. Before it is resolved, `made_by` and `settings` hold what is not drawn.

    block : its name   space : what is drawn   draw : its number, None for a result   declared : digest of the plan
    """

    block: str
    space: tuple
    draw: int | None = None
    declared: str = ""

    @property
    def name(self) -> str:
        if self.draw is None:
            return super().name
        return f"{TUNING}/{self.block}/{self.task}/{self.labels:g}/{self.method}/{self.draw}.{self.seed}"

    def resolved(self, results: Results) -> Trial:
        """With its drawn settings. ValueError for a result whose method is not tuned yet, or not as declared."""
        if self.declared != declared().get(f"{self.block}/{self.method}", {}).get("sha256"):
            raise ValueError(
                f"{self.name} is not declared as it is planned: kdviz run results --declare, and commit it"
            )
        chosen = self.draw if self.draw is not None else best_draw(self, results.rows(TUNING))
        drawn = draws_of(self)[chosen]
        of_run = {name: value for name, value in drawn.items() if name == "lr"}
        of_method = {name: value for name, value in drawn.items() if name != "lr"}
        return replace(self, made_by=self.made_by | of_method, settings=self.settings | of_run)


def trials() -> list[Trial]:
    """All runs of all blocks; of each method its draws first."""
    return [one for name in plan()["blocks"] for one in _of_block(name)]


def _of_block(name: str) -> list[Trial]:
    block, made = plan()["blocks"][name], []
    for task in block["tasks"]:
        for labels in block["labels"]:
            for method in block["methods"]:
                about = dict(plan()["methods"][method])
                space = _space(block["space"] | about.pop("space"))
                same = {
                    "task": task,
                    "labels": labels,
                    "method": method,
                    "made_by": about,
                    "space": space,
                    "block": name,
                }
                same |= {name: block[name] for name in OF_GROUP if name in block}
                same |= {"settings": block["settings"], "declared": digest(name, method)}
                for draw in range(plan()["draws"]):
                    made += [Trial(**same, table=TUNING, draw=draw, seed=seed) for seed in plan()["tuning_seeds"]]
                seeds = block.get("seeds_of", {}).get(method, block["seeds"])
                made += [Trial(**same, table=name, seed=seed) for seed in seeds]
    return made


def _space(written: dict) -> tuple:
    """As `kdviz.training.tune.draw_settings` takes it, in pairs that can be hashed."""
    return tuple(
        (name, (choice["low"], choice["high"]) if isinstance(choice, dict) else list(choice))
        for name, choice in written.items()
    )


def draws_of(trial: Trial) -> list[dict]:
    from kdviz.training.tune import draw_settings

    return draw_settings(dict(trial.space), plan()["draws"])


def best_draw(trial: Trial, tuning: pd.DataFrame) -> int:
    """The draw with the highest mean on dev. ValueError while one is missing."""
    same = ["block", "task", "labels", "method"]
    rows = tuning
    for name in same if not tuning.empty else ():
        rows = rows[rows[name] == getattr(trial, name)]
    wanted = plan()["draws"] * len(plan()["tuning_seeds"])
    if len(rows) < wanted:
        pattern = f"{TUNING}/{trial.block}/{trial.task}/{trial.labels:g}/{trial.method}/*"
        raise ValueError(f"{trial.name} has {len(rows)} of {wanted} draws: kdviz run results --only '{pattern}'")
    return int(rows.groupby("draw")["dev"].mean().idxmax())


# ---- what was said before ------------------------------------------------------------------------------------------


def digest(block: str, method: str) -> str:
    """SHA-256 of all that is planned for a method in a block; notes and estimates do not count."""
    about = {
        name: value for name, value in plan()["blocks"][block].items() if name not in ("note", "methods", "seconds")
    }
    about["seeds_of"] = about.get("seeds_of", {}).get(method)
    whole = {"block": about, "method": plan()["methods"][method]}
    whole |= {name: plan()[name] for name in ("draws", "tuning_seeds")}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _declarations() -> Path:
    return data_dir() / "results" / "declared.json"


def declared() -> dict[str, dict]:
    """``block/method`` -> sha256 of its plan, and when that was declared."""
    path = _declarations()
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def declare(blocks: list[str], results: Results) -> list[str]:
    """Write down what is planned for these blocks; returns what is new. ValueError when rows of it exist."""
    known, new = declared(), []
    for block in blocks:
        if block not in plan()["blocks"]:
            raise ValueError(f"no block {block!r}: choose among {', '.join(plan()['blocks'])}")
        for method in plan()["blocks"][block]["methods"]:
            name, sha256 = f"{block}/{method}", digest(block, method)
            if known.get(name, {}).get("sha256") == sha256:
                continue
            if len(_rows(results, block, method)):
                raise ValueError(f"{name} has rows that were made as declared before: plan a new block beside it")
            known[name], new = {"sha256": sha256, "at": now()}, [*new, name]
    write_json(_declarations(), known)
    return new


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _rows(results: Results, block: str, method: str) -> pd.DataFrame:
    """Draws and results of a method in a block."""
    found = []
    for table, column in ((TUNING, "block"), (block, "table")):
        rows = results.rows(table)
        if not rows.empty:
            found.append(rows[(rows[column] == block) & (rows["method"] == method)])
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def check(results: Results) -> tuple[list[str], list[str]]:
    """What is wrong with the recorded trials, and what is not finished; two lists of sentences.

    A method must have all its draws before a result, each row the settings of its draw (a result those of the best
    one), the digest that is declared, and a start after the declaration; and the declaration must stand in the row's
    commit, where this clone has that.
    """
    wrong, unfinished = [], []
    for block in plan()["blocks"]:
        if set(plan()["tuning_seeds"]) & {one.seed for one in _of_block(block) if one.draw is None}:
            wrong.append(f"{block}: a seed of the search is a seed of a result")
        for method in plan()["blocks"][block]["methods"]:
            rows, said = _rows(results, block, method), declared().get(f"{block}/{method}", {})
            planned = [one for one in _of_block(block) if one.method == method]
            missing = [one for one in planned if not results.done(one)]
            if missing:
                unfinished.append(f"{block}/{method}: {len(missing)} of {len(planned)} rows are missing")
            for row in rows.to_dict("records"):
                wrong += [f"{row['command']}: {fault}" for fault in _faults(row, block, said, results)]
    return wrong, unfinished


def _faults(row: dict, block: str, said: dict, results: Results) -> list[str]:
    found, draw = [], row.get("draw")
    same = [
        one for one in _of_block(block) if all(getattr(one, k) == row[k] for k in ("task", "labels", "method", "seed"))
    ]
    same = [one for one in same if one.draw == (None if draw is None or pd.isna(draw) else int(draw))]
    if not same:
        return ["no such run is planned"]
    try:
        resolved = same[0].resolved(results)
    except ValueError as error:
        return [str(error)]
    for name in ("made_by", "settings"):
        if json.loads(row[f"drawn_{name}"]) != json.loads(json.dumps(getattr(resolved, name))):
            found.append(f"{name} is {row[f'drawn_{name}']}, planned is {json.dumps(getattr(resolved, name))}")
    if row["declared"] != said.get("sha256"):
        found.append("it was made for another plan than the declared one")
    if not said or row["started"] < said["at"]:
        found.append(f"it began {row['started']}, before its declaration of {said.get('at')}")
    if (there := _declared_in(row["commit"].rstrip("+"))) is not None and row["declared"] not in there:
        found.append(f"commit {row['commit']} does not hold its declaration")
    return found


@functools.cache
def _declared_in(commit: str) -> str | None:
    """The declarations as they stood in a commit; None when this clone does not have it."""
    root = data_dir().parent
    ask = ["git", "-C", str(root), "show", f"{commit}:data/results/declared.json"]
    if subprocess.run([*ask[:3], "cat-file", "-e", f"{commit}^{{commit}}"], capture_output=True).returncode:
        return None
    return subprocess.run(ask, capture_output=True, text=True).stdout


def hours(results: Results) -> pd.DataFrame:
    """Rows and processor hours by block: done, and open with the mean seconds of that method's rows so far."""
    made = []
    for block in plan()["blocks"]:
        done, left, spent = 0, 0.0, 0.0
        every = _of_block(block)
        for method in plan()["blocks"][block]["methods"]:
            rows, planned = _rows(results, block, method), sum(one.method == method for one in every)
            each = rows["seconds"].mean() if len(rows) else plan()["blocks"][block]["seconds"]
            done, left = done + len(rows), left + each * (planned - len(rows)) / 3600
            spent += rows["seconds"].sum() / 3600 if len(rows) else 0.0
        about = {"declared": all(f"{block}/{method}" in declared() for method in plan()["blocks"][block]["methods"])}
        made.append({"block": block} | about | {"rows": len(every), "done": done, "hours": spent, "hours_open": left})
    return pd.DataFrame(made)
