"""``python -m data.make.grammar TASK [--out FOLDER]``: write the files of an embedded task."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from . import common


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m data.make.grammar", description=__doc__)
    parser.add_argument("task", choices=("reviews", "entail", "scores", "endings", "answers"))
    parser.add_argument("--out", type=Path, help="folder for the Parquet files (default: data/<task> of the clone)")
    arguments = parser.parse_args(argv)
    grammar = importlib.import_module(f"{__package__}.{arguments.task}")
    source = common.default_folder(arguments.task)
    out = arguments.out or source
    out.mkdir(parents=True, exist_ok=True)
    for split, rows in grammar.build(source).items():
        common.write_split(out / f"{split}.parquet", rows, grammar.SCHEMA)
        print(f"{split:12s} {len(rows):6,d} rows  {(out / f'{split}.parquet').stat().st_size / 1024:6.0f} KB")


if __name__ == "__main__":
    main()
