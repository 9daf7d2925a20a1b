"""Data sets of the hub in the cache: which files hold which split, and what their card says of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from kdviz.hub import cached

SHORT = {  # data sets that are known without their owner
    full.rpartition("/")[2]: full
    for full in (
        "Rowan/hellaswag aps/super_glue cardiffnlp/tweet_eval cornell-movie-review-data/rotten_tomatoes "
        "dair-ai/emotion fancyzhx/ag_news fancyzhx/amazon_polarity fancyzhx/dbpedia_14 fancyzhx/yelp_polarity "
        "nyu-mll/glue rajpurkar/squad rajpurkar/squad_v2 stanfordnlp/imdb stanfordnlp/snli "
        "stanfordnlp/sst2 uoft-cs/cifar10"
    ).split()
}
ENDINGS = (".parquet", ".csv", ".jsonl")
SPLIT = re.compile(r"(?:^|[-_.])(train|validation|valid|val|dev|test|unsupervised)(?=[-_.]|$)")
PART = re.compile(r"-(\d{5})-of-(\d{5})")  # of a split in several files


@dataclass(frozen=True)
class Card:
    """What README.md says of a configuration, as far as it does.

    files : split -> patterns   rows : split -> how many   columns : names   classes : column -> names of its classes
    """

    files: dict[str, list[str]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    default: bool = False


def is_data(name: str) -> bool:
    """Whether a name of the hub is one of a data set: ``"imdb"``, ``"glue/sst2"``, ``"datasets/owner/name"``."""
    return name.startswith("datasets/") or name.split("/")[0] in SHORT


def cached_data(name: str, check: Callable[[Card], None] = lambda card: None) -> tuple[dict[str, list[Path]], Card]:
    """The files of each split of a data set, downloaded when the cache has not all of them; and its card.

    name  : ``"owner/name"``, or a name of `SHORT` alone; then, where there are several, "/" and a configuration
    check : is given the card before any row is downloaded, and raises when the rows would be of no use
    Raises FileNotFoundError when they cannot be had, ValueError for a configuration that there is not.
    """
    words = name.removeprefix("datasets/").split("/")
    size = 1 if words[0] in SHORT else 2
    repo, config = SHORT.get(words[0]) or "/".join(words[:2]), "/".join(words[size:])
    short = name if is_data(name) else f"datasets/{name}"

    def card_of(folder: Path) -> Card:
        cards = _cards(folder / "README.md")
        marked = [key for key, card in cards.items() if card.default] + ["default"] * ("default" in cards)
        chosen = config or (list(cards) if len(cards) == 1 else marked or [""])[0]
        if cards and chosen not in cards:
            raise ValueError(f"{name!r} has the configurations {', '.join(cards)}: say one, as in {repo}/{min(cards)}")
        return cards.get(chosen, Card())

    def whole(folder: Path) -> dict[str, list[Path]]:
        return _whole(_by_card(folder, card.files) if card.files else _by_name(folder, config, name))

    home = cached(short, repo, "dataset", ["README.md"], lambda at: (at / "README.md").exists() or any(_found(at)))
    card = card_of(home)
    check(card)
    wanted = [one for some in card.files.values() for one in some]
    wanted = wanted or [f"{config}/*{ending}".lstrip("/") for ending in ENDINGS]
    lacks = f"{f'rows of {config!r}' if config else 'rows'} in {', '.join(ENDINGS)}"
    folder = cached(short, repo, "dataset", ["README.md", *wanted], whole, lacks)
    return whole(folder), card


def _found(folder: Path):
    return (path for path in sorted(folder.rglob("*")) if path.suffix in ENDINGS and path.is_file())


def _whole(files: dict[str, list[Path]]) -> dict[str, list[Path]]:
    """These files, or none where one of several that make a split is missing."""
    for paths in files.values():
        parts = [(int(m[1]), int(m[2])) for m in (PART.search(path.name) for path in paths) if m]
        if not paths or len({number for number, _ in parts}) < max((of for _, of in parts), default=0):
            return {}
    return files


def _by_card(folder: Path, patterns: dict[str, list[str]]) -> dict[str, list[Path]]:
    return {
        split: sorted({path for one in some for path in folder.glob(one) if path.is_file()})
        for split, some in patterns.items()
    }


def _by_name(folder: Path, config: str, name: str) -> dict[str, list[Path]]:
    """Splits by what files are called, ``train-00000-of-00002.parquet`` or ``my_test.csv``, or their folders."""
    groups: dict[str, dict[str | None, list[Path]]] = {}
    root = folder / config
    for path in _found(root):
        above = path.relative_to(root).parts[:-1]
        known = [m[1] for m in (SPLIT.search(path.stem), *map(SPLIT.fullmatch, above)) if m] or [None]
        split = path.stem[: PART.search(path.stem).start()] if PART.search(path.stem) else known[0]
        group = "/".join(part for part in above if part not in ("data", split))
        groups.setdefault(group, {}).setdefault(split, []).append(path)
    if len(groups) > 1:
        known = ", ".join(sorted(groups))
        raise ValueError(f"{name!r} has the configurations {known}: say one, as in {name}/{max(groups)}")
    splits = next(iter(groups.values()), {})
    other = splits.pop(None, [])  # what is called as no split is train when there is nothing else
    return splits or ({"train": other} if other else {})


def _cards(path: Path) -> dict[str, Card]:
    """Every configuration of a README.md. ValueError naming the file when its YAML is not that of a data set."""
    import yaml
    from huggingface_hub.repocard import metadata_load

    if not path.exists():
        return {}
    try:
        about = metadata_load(path) or {}
        configs = {str(one["config_name"]): one for one in about.get("configs") or []}
        infos = about.get("dataset_info") or []
        infos = {one.get("config_name", "default"): one for one in (infos if isinstance(infos, list) else [infos])}
        made = {}
        for key in configs or infos:
            config, info = configs.get(key, {}), infos.get(key, {})
            given = config.get("data_files") or []
            files: dict[str, list[str]] = {}
            for one in given if isinstance(given, list) else [given]:
                split, some = (one["split"], one["path"]) if isinstance(one, dict) else ("train", one)
                some = some if isinstance(some, list) else [some]
                files.setdefault(str(split), []).extend(re.sub(r"(^|/)\*\*(?=[^/*]|$)", r"\1**/*", one) for one in some)
            for one in (PurePosixPath(one) for some in files.values() for one in some):
                if one.is_absolute() or any(part == ".." or part[-1] == ":" for part in one.parts):
                    raise ValueError(f"{one} lies elsewhere")
                if any("**" in part and part != "**" for part in one.parts):
                    raise ValueError(f"{one} is no pattern")
            kinds = {one["name"]: one.get("dtype") for one in info.get("features") or []}
            classes = {
                name: kind["class_label"]["names"] for name, kind in kinds.items() if "class_label" in (kind or ())
            }
            made[key] = Card(
                files=files,
                rows={one["name"]: int(one["num_examples"]) for one in info.get("splits") or []},
                columns=tuple(kinds),
                classes={
                    name: tuple(str(names[k]) for k in sorted(names, key=int))
                    if isinstance(names, dict)
                    else tuple(names)
                    for name, names in classes.items()
                },
                default=bool(config.get("default")),
            )
        return made
    except (AttributeError, LookupError, OSError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path} does not describe a data set ({' '.join(repr(error).split()):.120})") from error
