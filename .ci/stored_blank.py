"""Name the notebooks (the lessons by default) that are stored with outputs; exit 1 when there is one."""

import json
import sys
from pathlib import Path


def with_outputs(path: Path) -> bool:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return any(cell.get("outputs") or cell.get("execution_count") is not None for cell in cells)


if __name__ == "__main__":
    lessons = Path(__file__).resolve().parent.parent / "notebooks"
    paths = [Path(name) for name in sys.argv[1:]] or sorted(lessons.glob("*.ipynb"))
    full = [str(path) for path in paths if with_outputs(path)]
    if full:
        raise SystemExit(f"stored with outputs: {', '.join(full)}; clear all outputs before you save")
