"""How every figure looks and reads: colours, sizes, light and dark, and token text that is only ever text."""

from __future__ import annotations

import html
import os
import re
import unicodedata
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

FONT = "Source Sans Pro, Segoe UI, Helvetica, Arial, DejaVu Sans, Noto Sans, sans-serif"
FONT_SIZE = 13  # nothing in a figure is smaller than 12
TITLE_SIZE = 17
TICK_SIZE = 12
LABEL_STEP = 13  # pixels that one token label needs beside its neighbour
LONGEST_TOKEN = 14  # characters of a token that fit on an axis
MOST_TOKENS = 40  # more cannot be read on an axis
MOST_BYTES = 300_000  # one figure, as JSON

# The colour of each part in light and in dark. Blue and vermilion stay apart for every common kind of colour blindness;
# both have AA contrast on their ground.
_COLOURS = {
    "ground": ("#ffffff", "#111111"),
    "ink": ("#1f1f1f", "#ededed"),
    "quiet": ("#595959", "#b0b0b0"),
    "grid": ("#e3e3e3", "#3a3a3a"),
    "blank": ("#d4d4d4", "#3c3c3c"),
    "teacher": ("#005a9c", "#6cb8f0"),
    "student": ("#b34700", "#ff9d5c"),
    "model": ("#4d4d4d", "#c8c8c8"),
    "middle": ("#f7f7f7", "#1c1c1c"),
    "low": ("#08478c", "#8cc8ff"),
    "high": ("#a63603", "#ffa366"),
    "control": ("#f2f2f2", "#2a2a2a"),
}
_LOOKS = ("light", "dark")
_BUTTONS = "sendChartToCloud zoom pan select lasso zoomin zoomout autoscale resetscale".split()
ROLES = ("teacher", "student", "model")  # each has a colour, the same in every figure
# Eight colours for words (after Okabe and Ito), told apart further by eight marker shapes.
WORD_COLOURS = tuple("#0072b2 #d55e00 #009e73 #b35c92 #a87500 #3d8fc4 #7a7a7a #8a4f2a".split())
WORD_SHAPES = tuple("circle square diamond triangle-up cross x star triangle-down".split())
# viridis, for magnitudes: even steps of lightness, readable in grey and with every common colour blindness
SEQUENTIAL = tuple("#440154 #472d7b #3b528b #2c728e #21918c #28ae80 #5ec962 #addc30 #fde725".split())

_chosen = "auto"


def use(look: str) -> None:
    """Draw from now on in ``"light"``, ``"dark"``, or ``"auto"``: dark when JupyterLab's stored theme is dark."""
    global _chosen
    if look not in ("auto", *_LOOKS):
        raise ValueError(f"theme {look!r} is not one of 'auto', 'light', 'dark'")
    _chosen = look


def look() -> str:
    """The look in force, ``"light"`` or ``"dark"``."""
    return _chosen if _chosen != "auto" else _look_of_lab()


def _look_of_lab() -> str:
    """Read the theme that the user picked in JupyterLab's settings; light when no such choice can be read."""
    config = Path(os.environ.get("JUPYTER_CONFIG_DIR") or os.path.expanduser("~/.jupyter"))  # also without a home
    folder = Path(os.environ.get("JUPYTERLAB_SETTINGS_DIR") or config / "lab" / "user-settings")
    try:
        file = folder / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
        stored = file.read_text(encoding="utf-8", errors="replace")  # the user's own file, in whatever state it is
    except OSError:
        return "light"
    found = re.search(r'(?:^|[{,])\s*"theme"\s*:\s*"((?:[^"\\]|\\.)*)"', stored, re.MULTILINE)
    return "dark" if found and "dark" in found[1].lower() else "light"


def colour(role: str) -> str:
    """The colour of a role (``"teacher"``, ``"student"``, ``"model"``) or of a part (``"ink"``, ``"grid"``, …)."""
    return _COLOURS[role][_LOOKS.index(look())]


def in_the_dark() -> dict[str, str]:
    """Each colour of the light look -> that of the dark one, for pages that turn drawn figures around."""
    return dict(_COLOURS.values())


def shade(name: str, number: int) -> str:
    """The colour of a line or bar: that of its role when it is named so, else one by its number."""
    return colour(name) if name in ROLES else WORD_COLOURS[number % 8]


def template() -> dict:
    """The plotly template of the look in force: written out in full, so that it does not lean on plotly's own."""
    ink, ground, quiet, grid = (colour(part) for part in ("ink", "ground", "quiet", "grid"))
    axis = {"gridcolor": grid, "zerolinecolor": grid, "linecolor": quiet, "tickfont": {"size": TICK_SIZE}}
    axis |= {"ticks": "", "ticklabelstandoff": 4, "title": {"font": {"size": FONT_SIZE}, "standoff": 8}}
    axis["ticklabeloverflow"] = "allow"  # to look for labels beyond the edge costs half of every redraw, 75 ms
    hover = {"bgcolor": ground, "bordercolor": quiet, "align": "left"}
    hover["font"] = {"size": FONT_SIZE, "color": ink, "family": FONT}
    layout = {"paper_bgcolor": ground, "plot_bgcolor": ground, "xaxis": axis, "yaxis": axis, "hoverlabel": hover}
    layout |= {"font": {"family": FONT, "size": FONT_SIZE, "color": ink}, "colorway": list(WORD_COLOURS)}
    # no button that uploads what a reader typed; zooming is done by mouse, so that a single button stays beside a title
    layout["modebar"] = {"remove": _BUTTONS}
    return {"layout": layout}


def finish(figure: go.Figure, title: str, alt: str, notes=(), *, plot: int = 300, below: int = 56) -> go.Figure:
    """Give a figure its title, its look, the notes a reader must see, and its one sentence for who cannot see it.

    title : plotly text: pass token text through `text` first   alt, notes : plain text
    plot  : pixels of the picture's height   below : pixels under it, for ticks and the axis' name
    Above the picture, each in a row of its own so that nothing covers anything: title, notes, menus and buttons,
    slider, names of panels. The sentence is kept in ``layout.meta["alt"]`` and once more as text of zero opacity inside
    the drawing: that is what a screen reader finds wherever the figure is shown, a notebook included, where a page
    cannot be given an ``aria-label``.
    """
    notes, layout = tuple(text(note) for note in notes), figure.layout
    top = 6 + 22 * any(note.yref == "paper" and note.y == 1 for note in layout.annotations)
    for row, height in ((layout.sliders, 74), (layout.updatemenus, 38)):
        for control in row:
            control.update(y=1, yanchor="bottom", pad={"t": 0, "b": top})
        top += height * bool(row)
    title = wrapped(title)
    titles = [title, *(button.args[1].get("title.text", "") for menu in layout.updatemenus for button in menu.buttons)]
    lines = max(one.count("<br>") + 1 for one in titles)
    top += 16 + 22 * lines + 30 * bool(notes)
    margin = {"t": top, "b": below, "l": layout.margin.l or 64, "r": layout.margin.r or 16}
    heading = {"text": title, "font": {"size": TITLE_SIZE}, "x": 0, "xref": "paper", "xanchor": "left"}
    heading |= {"y": 1, "yref": "container", "yanchor": "top", "automargin": False}
    heading["pad"] = {"t": 12 if lines == 1 else 24}  # plotly sets the first of several lines higher
    if notes:
        heading["subtitle"] = {"text": " · ".join(notes), "font": {"size": TICK_SIZE, "color": colour("quiet")}}
    layout.template = template()  # assigned, not updated: an update would keep plotly's default one beneath
    figure.update_layout(title=heading, meta={"alt": alt, "notes": list(notes)})
    figure.update_layout(margin=margin, height=top + plot + below)
    place = {"x": 0, "y": 1, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "top"}
    figure.add_annotation(place, name="alt", text=text(alt), opacity=0, showarrow=False, captureevents=False)
    return figure


def wrapped(title: str, longest: int = 54) -> str:
    """A title (plotly text) in lines that fit beside plotly's buttons in a window of 700 pixels."""
    lines = [""]
    for word in title.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(html.unescape(longer)) > longest:
            lines.append(word)
        else:
            lines[-1] = longer
    return "<br>".join(lines)


# ---- token text ----------------------------------------------------------------------------------------------------

_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(token: str) -> str:
    """The token with what cannot be seen made visible: NUL as ␀, a line break as ␊, a direction override by its code.

    Letters of any script, emoji and the joiners inside them stay as they are.
    """
    return "".join(_seen(character) for character in token) or "␢"


def _seen(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)  # ␀ … ␟, Unicode's pictures of the control characters
    if code == 0x7F:
        return "␡"
    if code == 0x20:
        return "\u00a0"  # a plain space at an end would be trimmed away
    if character in _BIDI_CONTROLS or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return f"⟨U+{code:04X}⟩"
    return character


def text(words: str) -> str:
    """Words as plotly text that shows exactly these words.

    Plotly reads ``<b>``, ``<a href>``, ``<br>``, entities and ``$…$`` in every label; nothing of it is left to read.
    """
    escaped = html.escape("".join(c if c == " " else _seen(c) for c in words), quote=False)
    return escaped.replace("$", "&#36;")


def token_text(token: str, longest: int = LONGEST_TOKEN) -> str:
    """One token for an axis, a menu or a hover: visible, shortened to ``longest`` characters, escaped."""
    return text(shortened(visible(token), longest))


def shortened(words: str, longest: int = LONGEST_TOKEN) -> str:
    return words if len(words) <= longest else words[: longest - 1] + "…"


def cut(tokens, most: int = MOST_TOKENS) -> tuple[list[str], tuple[str, ...]]:
    """The tokens that a figure shows, and the note that says so when some are left out."""
    kept = list(tokens[:most])
    return kept, () if len(kept) == len(tokens) else (f"first {len(kept)} of {len(tokens):,} tokens",)


def compact(values) -> np.ndarray:
    """Numbers as a figure stores them: float32 (written as base64, 5.3 bytes each), 12 bits of mantissa.

    Twelve bits are 4 significant digits, more than a hover shows; the zero bits after them make the file smaller
    once it is packed. What is not finite is drawn blank.
    """
    values = np.ascontiguousarray(values, dtype=np.float32)
    bits = (values.view(np.uint32) + np.uint32(0x400)) & np.uint32(0xFFFFF800)
    kept = np.where(np.abs(values) < 1e-6, np.float32(0), bits.view(np.float32))  # rounding error would read -0.000
    return np.where(np.isfinite(values), kept, np.float32(np.nan))
