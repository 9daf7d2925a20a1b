"""python -m docs.lessons.sentences 02 03: each sentence of a lesson that speaks of a number, beside what was printed.

Reads the executed lessons of build/notebooks (`kdviz run notebooks`) and writes build/sentences.md: what the cells
printed, the words that stand for their pictures, and below them the sentences with a number that follow. To be read by
a person, line by line, whenever an experiment has changed.
"""

from __future__ import annotations

import argparse
import re

import nbformat

from kdviz.disk import write_whole
from kdviz.paths import clone, pick

SENTENCE = re.compile(r"(?<=[.!?:])\s+(?=[A-Z*`(+−-])|\n+[-|]?\s*")
NUMBER = re.compile(
    r"\d|\b(half|twice|third|quarter|one|two|three|four|five|six|seven|eight|nine|ten|none|all|no|every)\b"
)


def sentences(text: str) -> list[str]:
    """Sentences of a text that hold a number, formulas aside."""
    plain = re.sub(r"\$\$.*?\$\$|<[^>]+>", " ", text, flags=re.DOTALL)
    parts = [
        part.strip() for part in SENTENCE.split(plain) if part and not re.match(r"\s*(#|\*\*(Time|▶|Exercise))", part)
    ]
    return [part for part in parts if NUMBER.search(re.sub(r"\$[^$]*\$", "", part))]


def printed(cell) -> list[str]:
    """What a cell printed, and the words that stand for its pictures."""
    shown = []
    for output in cell.outputs:
        data = output.get("data", {})
        pictures = re.findall(
            r"<desc[^>]*>(.*?)</desc>|aria-label=\"([^\"]*)\"", data.get("image/svg+xml", ""), re.DOTALL
        )
        shown += ["picture: " + " ".join(map("".join, pictures))] if pictures else []
        text = output.get("text", "") or ("" if pictures else data.get("text/plain", ""))
        shown += [re.sub(r"\x1b\[[\d;]*m", "", text).rstrip()] if text.strip() else []
    return shown


def report(notebook) -> str:
    """Markdown: outputs as quoted code, then the sentences that follow them."""
    lines = []
    for place, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            lines += [f"```\n[{place}] {text}\n```" for text in printed(cell)]
        else:
            lines += [f"- [{place}] {sentence}" for sentence in sentences(cell.source)]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="parts of lesson names (default: all that were executed)")
    args = parser.parse_args(argv)
    executed = {path.stem: path for path in sorted((clone() / "build" / "notebooks").glob("[0-9]*[a-z].ipynb"))}
    parts = [
        f"# {name}\n\n{report(nbformat.read(executed[name], 4))}\n"
        for name in pick(list(executed), args.names, "lesson")
    ]
    target = clone() / "build" / "sentences.md"
    write_whole(target, "\n".join(parts).encode())
    print(f"{target}: {sum(part.count('- [') for part in parts)} sentences of {len(parts)} lessons")


if __name__ == "__main__":
    main()
