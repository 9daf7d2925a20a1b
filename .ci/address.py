"""Set the repository's address in one go: `make address TO=OWNER/REPOSITORY`.

The address stands in pyproject.toml ([project.urls]). This writes it there and into every link that holds the old one:
badges and links of Binder, Colab and GitHub in the README, the lessons and CITATION.cff. Standard library alone.
"""

import os
import re
import sys
from pathlib import Path

CLONE = Path(__file__).resolve().parent.parent
HOSTS = r"(?:mybinder\.org/v2/gh/|colab\.research\.google\.com/github/|github\.com/)"
WITH_LINKS = (
    "pyproject.toml",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "notebooks/*.ipynb",
    "docs/**/*.md",
    ".github/**/*.yml",
)


def current(root: Path = CLONE) -> str:
    """The address in pyproject.toml, "OWNER/REPOSITORY"."""
    line = re.search(
        r'^Repository = "https://github\.com/([\w.-]+/[\w.-]+)"$', (root / "pyproject.toml").read_text(), re.M
    )
    if not line:
        raise SystemExit('kdviz address: pyproject.toml has no line Repository = "https://github.com/OWNER/REPOSITORY"')
    return line[1]


def links(text: str) -> list:
    """The addresses of all repositories that `text` links to on Binder, Colab and GitHub."""
    return re.findall(HOSTS + r"([\w.-]+/[\w.-]*\w)", text)


def files(root: Path = CLONE) -> list:
    return sorted(path for pattern in WITH_LINKS for path in root.glob(pattern))


def change(new: str, root: Path = CLONE) -> list:
    """Write the new address into every link that holds the current one; returns the files that changed."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]*\w", new):
        raise SystemExit(f"kdviz address: {new!r} is not OWNER/REPOSITORY, as in make address TO=ada/kdviz")
    old, changed = re.compile(f"({HOSTS}){re.escape(current(root))}(?![\\w-])"), []
    for path in files(root):
        before = path.read_bytes().decode("utf-8")
        after = old.sub(lambda match: match[1] + new, before)
        if after != before:
            whole = path.with_name(path.name + ".new")
            whole.write_bytes(after.encode("utf-8"))
            os.replace(whole, path)
            changed.append(path)
    return changed


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(f"kdviz address: it is {current()}; to change it: make address TO=OWNER/REPOSITORY")
    for changed in change(sys.argv[1]):
        print(changed.relative_to(CLONE))
