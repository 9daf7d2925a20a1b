"""What a generator writes to bring student and teacher apart (MATE-KD, Combined-KD), and how far apart they come."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kdviz.figures import heatmaps, theme

MOST_FRAMES = 25
MOST_POINTS = 400
MOST_BANDS = 60         # climbs that are shaded
KEPT, REPLACED, NEW = 0, 1, 2
COLUMNS = ("text x", "rewritten x′")


def rewrites(steps, original, rewritten) -> go.Figure:
    """A text and what the generator made of it, word under word, new words marked; a slider over training steps.

    steps     : (S,) training steps
    original  : S token sequences; they may be of different texts     rewritten : S token sequences, as long
    Of more than 25 steps an even choice is shown. Raises ValueError when there is none, or lengths disagree.
    """
    steps, original, rewritten = list(steps), [list(one) for one in original], [list(one) for one in rewritten]
    if not steps or not len(steps) == len(original) == len(rewritten):
        raise ValueError(f"{len(steps)} steps, {len(original)} texts, {len(rewritten)} rewritings: give one of each a step")
    for before, after in zip(original, rewritten):
        if len(before) != len(after):
            raise ValueError(f"a text of {len(before)} tokens was rewritten to {len(after)}: words are replaced, none comes or goes")
    keep = np.unique(np.linspace(0, len(steps) - 1, min(MOST_FRAMES, len(steps))).round().astype(int))
    longest = max(len(original[place]) for place in keep)
    shown, notes = min(longest, theme.MOST_TOKENS), ()
    if longest > shown:
        notes = (f"first {shown} of up to {longest:,} tokens",)
    cells = [_cells(original[place][:shown], rewritten[place][:shown], shown) for place in keep]
    data = cells[-1] | {
        "zmin": KEPT, "zmax": NEW, "showscale": False, "xgap": 4, "ygap": 2, "hoverongaps": False,
        "colorscale": [[0, theme.colour("ground")], [0.5, theme.colour("grid")], [1, theme.colour("student")]],
        "texttemplate": "%{text}", "textfont": {"size": theme.FONT_SIZE},
        "hovertemplate": "place %{y}: \u2068%{text}\u2069<br>words<extra></extra>",
    }  # fmt: skip
    places = list(range(shown))
    axis = {"showgrid": False, "zeroline": False}
    layout = {
        "height": 190 + 22 * shown, "width": 560, "margin": {"t": 90, "b": 110, "l": 60, "r": 20},
        "xaxis": axis | {"tickvals": [0, 1], "ticktext": list(COLUMNS), "side": "top", "title": {"text": "before and after"}},
        "yaxis": axis | {"tickvals": places, "ticktext": [str(place) for place in places], "autorange": "reversed",
                         "title": {"text": "place in the text"}},
    }  # fmt: skip
    played = [{"name": f"step {s}", "data": [one]} for s, one in enumerate(cells)]
    if len(keep) > 1:
        layout["sliders"] = [heatmaps.slider([str(int(steps[place])) for place in keep], "training step ", len(keep) - 1, 20)]
    alt = f"A text and its rewriting, word beside word, at {len(keep)} training steps. At step {int(steps[keep[-1]])}, {_told(original[keep[-1]], rewritten[keep[-1]])}."
    figure = go.Figure(data=[data], frames=played if len(keep) > 1 else [], layout=layout)
    return theme.finish(figure, "What the generator writes: new words are marked", alt, notes)


def _cells(before: list[str], after: list[str], size: int) -> dict:
    z, words = np.full((size, 2), np.nan), [["", ""] for _ in range(size)]
    for place, (old, new) in enumerate(zip(before, after)):
        z[place] = (KEPT, KEPT) if old == new else (REPLACED, NEW)
        words[place] = [theme.token_text(old), theme.token_text(new)]
        if old != new:
            words[place][1] = f"<b>{words[place][1]}</b>"
    return {"type": "heatmap", "z": theme.compact(z), "text": words}


def _told(before, after, most: int = 4) -> str:
    changed = [(old, new) for old, new in zip(before, after) if old != new]
    pairs = ", ".join(f"{old} becomes {new}" for old, new in changed[:most])
    more = "" if len(changed) <= most else f" and {len(changed) - most} more"
    return f"{len(changed)} of {len(before)} tokens are new" + (f": {pairs}{more}" if pairs else "")


def disagreement(steps, rewritten, original, climbing) -> go.Figure:
    """D(teacher, student) through the two phases of a generator: it climbs, then rests while the student catches up.

    steps     : (S,) training steps       climbing : (S,) bool, True where the generator took a step
    rewritten : (S,) D on the rewritten text     original : (S,) D on the text itself
    Left the whole run (running mean), climbs shaded; right the mean over all cycles, by step since the climb began.
    Raises ValueError when sizes disagree or the generator never climbs.
    """
    steps, rewritten, original = (np.asarray(values, float) for values in (steps, rewritten, original))
    climbing = np.asarray(climbing, bool)
    if not steps.shape == rewritten.shape == original.shape == climbing.shape or steps.ndim != 1:
        raise ValueError(f"steps {steps.shape}, D {rewritten.shape} and {original.shape}, climbing {climbing.shape}: all must be (S,)")
    starts = np.flatnonzero(climbing & ~np.concatenate([[False], climbing[:-1]]))
    if not len(starts):
        raise ValueError("the generator never climbs in these steps: climbing is False throughout")
    ends = np.array([start + int(np.argmin(np.append(climbing[start:], False))) for start in starts])
    figure = make_subplots(
        cols=2, column_widths=[0.62, 0.38], horizontal_spacing=0.11,
        subplot_titles=("the whole run (running mean)", "one cycle, mean over all"),
    )  # fmt: skip
    told, span = [], max(1, len(steps) // 40)
    keep = np.unique(np.linspace(0, len(steps) - 1, min(MOST_POINTS, len(steps))).round().astype(int))
    cycle = np.arange(len(steps)) - starts[np.clip(np.searchsorted(starts, np.arange(len(steps)), "right") - 1, 0, None)]
    inside = cycle >= 0
    for name, values, shade, dash in (
        ("rewritten text x′", rewritten, theme.colour("student"), "solid"),
        ("text x", original, theme.colour("teacher"), "dash"),
    ):
        look = {"color": shade, "width": 2.5, "dash": dash}
        smooth = np.convolve(values, np.ones(span), "full")[: len(values)] / np.minimum(np.arange(len(values)) + 1, span)
        count = np.bincount(cycle[inside])
        mean = np.bincount(cycle[inside], weights=values[inside]) / np.maximum(1, count)
        figure.add_scatter(
            x=theme.compact(steps[keep]), y=theme.compact(smooth[keep]), mode="lines", line=look, name=name,
            hovertemplate=f"{name}<br>step %{{x}}: D = %{{y:.3f}}<extra></extra>", row=1, col=1,
        )  # fmt: skip
        figure.add_scatter(
            x=list(range(len(mean))), y=theme.compact(mean), mode="lines+markers", line=look, showlegend=False,
            name=f"{name}, one cycle", hovertemplate=f"{name}<br>step %{{x}} of the cycle: D = %{{y:.3f}}<extra></extra>",
            row=1, col=2,
        )  # fmt: skip
        told.append(f"on the {name} {values[climbing].mean():.3g} while the generator climbs, "
                    + (f"{values[~climbing].mean():.3g} while it rests" if not climbing.all() else "it never rests"))
    band = {"fillcolor": theme.colour("quiet"), "opacity": 0.18, "line": {"width": 0}, "layer": "below"}
    if len(starts) <= MOST_BANDS:
        for start, end in zip(starts, ends):
            figure.add_vrect(x0=float(steps[start]) - 0.5, x1=float(steps[end - 1]) + 0.5, row=1, col=1, **band)
    figure.add_vrect(x0=-0.5, x1=float((ends - starts).max()) - 0.5, row=1, col=2, **band)
    figure.update_xaxes(title="training step (shaded: the generator climbs)", row=1, col=1)
    figure.update_xaxes(title="step since the climb began", row=1, col=2)
    figure.update_yaxes(title="D(T, S)", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(rangemode="tozero", row=1, col=2)
    figure.update_layout(
        height=400, margin={"t": 110, "l": 64, "r": 16, "b": 56},
        legend={"orientation": "h", "x": 0, "y": 1.1, "yanchor": "bottom"},
    )  # fmt: skip
    alt = f"Disagreement D of teacher and student over {len(steps)} steps with {len(starts)} climbs of the generator: {'; '.join(told)}."
    return theme.finish(figure, "The gap between student and teacher while the generator climbs and rests", alt)
