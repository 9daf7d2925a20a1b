"""bertviz's attention views, with no network and with tokens that are only text.

bertviz draws with d3 and jQuery, which it fetches from a content network: without one its views stay blank. And it
pastes tokens into a script as they are: one that holds ``</script>`` runs. Here its drawing code (installed with it)
is put into a frame of its own together with d3 and jQuery from this package; the tokens enter as JSON in which no
character can end a script; the frame may run scripts but reach neither the notebook around it nor any site. A notebook
that is not trusted shows no frame: a table below it says in words where each head looks.
"""

from __future__ import annotations

import html
import importlib.util
import json
from pathlib import Path

from kdviz.figures import theme
from kdviz.figures.inputs import named, one_sentence, spoken, words
from kdviz.figures.tables import grid
from kdviz.states import States

_ASSETS = Path(__file__).parent / "assets"
_MOST_BYTES = 400_000  # of attention numbers in one view, beside 320 KB of d3 and jQuery
_BYTES_PER_NUMBER = 6.5
_VIEWS = {  # as an alt text says it
    "head": "lines from each token to the tokens it attends to",
    "model": "a small picture of every layer and head",
}
_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Attention</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<style>
body{margin:4px;background:#fff;color:#000;font-family:Helvetica,Arial,sans-serif;display:flex;flex-wrap:wrap;gap:16px}
h1{font-size:16px;margin:4px 0}svg{overflow:visible}body>div{min-width:400px}select{font-size:14px}select:focus{outline:3px solid #e69f00}
</style></head><body>%(places)s<script>%(d3)s</script><script>%(jquery)s</script><script>
var require = {config: function () {}};
function requirejs(names, draw) { draw(window.jQuery, window.d3); }
</script>%(drawings)s</body></html>"""


class AttentionView:
    """What `attention` returns: notebooks and the site show it through its HTML."""

    def __init__(self, page: str, height: int, alt: str, notes: tuple[str, ...], tables: str):
        self.page, self.height, self.alt, self.notes, self.tables = page, height, alt, notes, tables

    def _repr_html_(self) -> str:
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in (self.alt, *self.notes))
        return (
            f'<div>{lines}<iframe sandbox="allow-scripts" title="{html.escape(self.alt)}" '
            f'srcdoc="{html.escape(self.page)}" style="width:100%;height:{self.height}px;border:0;background:#fff">'
            f"</iframe><details><summary>Where each head looks most, as tables</summary>{self.tables}</details></div>"
        )


def attention(states, view: str = "head", *, sentence: int = 0, layer: int | None = None) -> AttentionView:
    """bertviz's view of attention: ``"head"`` draws one layer's heads as lines, ``"model"`` all layers and heads small.

    states : States of one model, or of two (one view below the other), encoded with ``attentions=True``
    layer  : layer of the head view at first, 1 to L; the last when None
    Hover a word to see its lines; click a head's colour to hide it; click a small picture to enlarge it.
    Raises ValueError for another view (``"neuron"`` needs queries and keys of bertviz's own, pickled BERT: use
    `kd.figures.attention`), for States without attentions and for a layer that does not exist.
    """
    if view == "neuron":
        raise ValueError(
            'view="neuron" is not offered: it works only with a BERT of bertviz\'s own that is loaded from a pickle. '
            'Use view="head", view="model" or kd.figures.attention'
        )
    if view not in _VIEWS:
        raise ValueError(f'view {view!r} is not one of "head", "model"')
    models = one_sentence(states, sentence, attentions=True)
    for model in models:
        if layer is not None and not 1 <= layer <= model.layers:
            raise ValueError(f"layer {layer} of {model.name!r}, which has layers 1 to {model.layers}")
    matrices = max(model.attentions.shape[1] * model.attentions.shape[2] for model in models)
    fit = int((_MOST_BYTES / _BYTES_PER_NUMBER / matrices) ** 0.5)
    tokens, notes = words(models, max(2, min(theme.MOST_TOKENS, fit)))
    alt = f"Attention of {named(models)} over {spoken(tokens)}: {_VIEWS[view]}."
    page, tables = (draw(models, view, tokens, layer) for draw in (_page, _tables))
    return AttentionView(page, _height(models, view, len(tokens)), alt, notes, tables)


def _page(models: list[States], view: str, tokens: list[str], layer: int | None) -> str:
    picker = 'Layer: <select id="layer" aria-label="Layer"></select>' if view == "head" else ""
    code, places, drawings = _drawing_code(view), "", ""
    for m, model in enumerate(models):
        name, settings = html.escape(f"{model.role} · {model.name}"), _settings(model, f"model{m}", view, tokens, layer)
        places += f'<div id="model{m}"><h1>{name}</h1><span>{picker}</span><div id="vis"></div></div>'
        drawings += f"<script>{code.replace('PYTHON_PARAMS', script_json(settings), 1)}</script>"
    scripts = {name: _asset(f"{name}.min.js") for name in ("d3", "jquery")}
    return _PAGE % {"places": places, "drawings": drawings, **scripts}


def _settings(model: States, place: str, view: str, tokens: list[str], layer: int | None) -> dict:
    """What bertviz's script asks for; layers and heads are called 1, 2, … as everywhere in kdviz."""
    n, (layers, heads) = len(tokens), model.attentions.shape[1:3]
    shown = [theme.shortened(theme.visible(token)) for token in tokens]
    numbers = model.attentions[0, ..., :n, :n].double().round(decimals=4).tolist()
    settings = {
        "attention": [{"name": None, "attn": numbers, "left_text": shown, "right_text": shown}],
        "default_filter": "0",
        "root_div_id": place,
        "include_layers": list(range(1, layers + 1)),
    }
    if view == "head":
        return settings | {"layer": layer or layers, "heads": None}
    return settings | {"display_mode": "light", "include_heads": list(range(1, heads + 1)), "total_heads": heads}


def _tables(models: list[States], view: str, tokens: list[str], layer: int | None) -> str:
    """For each word and head of a layer the word that gets most; for the model view the strongest look of each head."""
    names = [html.escape(theme.shortened(theme.visible(token))) for token in tokens]
    tables = []
    for model in models:
        shares = model.attentions[0, ..., : len(names), : len(names)]  # (L, heads, n, n)
        heads = [f"head {head + 1}" for head in range(shares.shape[1])]
        if view == "head":
            shown = layer or model.layers
            top, most = (found.T.tolist() for found in shares[shown - 1].max(-1))  # (n, heads)
            look = lambda share, j: f"{names[j]} {share:.2f}"
            caption = f"{model.name}, layer {shown}: the word that each word looks at most, and the share it gets"
            starts = names
        else:
            top, most = (found.tolist() for found in shares.flatten(-2).max(-1))  # (L, heads)
            look = lambda share, at: f"{names[at // len(names)]} → {names[at % len(names)]} {share:.2f}"
            caption = f"{model.name}: each head's strongest look, and its share"
            starts = [f"layer {one + 1}" for one in range(model.layers)]
        lines = [[start, *map(look, *found)] for start, *found in zip(starts, top, most)]
        tables.append(grid(html.escape(caption), ["", *heads], lines))
    return "".join(tables)


def _height(models: list[States], view: str, n: int) -> int:
    """Pixels that the drawings need (bertviz's own measures)."""
    if view == "head":
        return 150 + 23 * n
    sizes = [model.attentions.shape[1:3] for model in models]
    return sum(90 + int(max(layers * (n * 84 / heads + 10), 18 * n + 55)) for layers, heads in sizes)


def script_json(value) -> str:
    """JSON that is safe inside a ``<script>``: nothing in it can end the script or open a comment."""
    dumped = json.dumps(value, separators=(",", ":"))  # ASCII: line separators of Unicode are escaped as well
    return dumped.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _drawing_code(view: str) -> str:
    """bertviz's script, read without importing bertviz (which would import much that no view needs)."""
    found = importlib.util.find_spec("bertviz")
    if found is None:
        raise ModuleNotFoundError("bertviz is not installed: pip install bertviz")
    file = Path(found.submodule_search_locations[0]) / f"{view}_view.js"
    code = file.read_text(encoding="utf-8")
    if "params = PYTHON_PARAMS" not in code or "requirejs([" not in code:
        raise ValueError(f"{file} is not as in bertviz 1.4: install bertviz>=1.4.1,<2")
    return code
