"""kdviz cache ls: what teachers left on disk."""

from __future__ import annotations

import time


def add_arguments(parser) -> None:
    del parser


def run(args) -> int:
    from kdviz.paths import cache_folder
    from kdviz.training.cache import entries

    found = entries()
    print(f"{len(found)} teacher caches in {cache_folder()}, {sum(e['bytes'] for e in found) / 1e6:,.1f} MB")
    for entry in found:
        used = time.strftime("%Y-%m-%d", time.localtime(entry["used"]))
        print(
            f"{entry['key'][:10]}  {entry['bytes'] / 1e6:9,.1f} MB  {entry['teacher']}, {entry['texts']:,} texts: "
            f"{', '.join(entry['fields'])}; last used {used}"
        )
    return 0
