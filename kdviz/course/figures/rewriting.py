"""What a generator writes to part student and teacher (MATE-KD, Combined-KD), and how far they come apart (15)."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kdviz.figures import parts, theme

MOST_FRAMES = 25
MOST_BANDS = 60  # climbs that are shaded
KEPT, REPLACED, NEW = 0, 1, 2
COLUMNS = ("text x", "rewritten x′")


def rewrites(steps, original, rewritten) -> go.Figure:
    """A text and what the generator made of it, word under word, new words marked; a slider over training steps.

    steps     : (S,) training steps
    original  : S token sequences; they may be of different texts     rewritten : S token sequences, as long
    Of more than 25 steps an even choice is shown. Raises ValueError when there is none, or lengths disagree.
    """
    steps, pairs = list(steps), list(zip(map(list, original), map(list, rewritten)))
    if not steps or not len(steps) == len(original) == len(rewritten):
        sizes = f"{len(steps)} steps, {len(original)} texts, {len(rewritten)} rewritings"
        raise ValueError(f"{sizes}: give one of each a step")
    for before, after in pairs:
        if len(before) != len(after):
            sizes = f"a text of {len(before)} tokens was rewritten to {len(after)}"
            raise ValueError(f"{sizes}: words are replaced, none comes or goes")
    keep = parts.evenly(len(steps), MOST_FRAMES)
    steps, pairs = [f"{int(steps[place])}" for place in keep], [pairs[place] for place in keep]
    longest = max(len(before) for before, _ in pairs)
    shown = min(longest, theme.MOST_TOKENS)
    played = [[_cells(*pair, shown)] for pair in pairs]
    figure = go.Figure(data=played[-1], frames=parts.frames(played) if len(steps) > 1 else [])
    figure.update_traces(zmin=KEPT, zmax=NEW, showscale=False, xgap=4, ygap=2, hoverongaps=False)
    figure.update_traces(colorscale=[theme.colour(part) for part in ("ground", "grid", "student")])
    figure.update_traces(texttemplate="%{text}", textfont_size=theme.FONT_SIZE)
    figure.update_traces(hovertemplate="place %{y}: \u2068%{text}\u2069<br>words<extra></extra>")
    figure.update_xaxes(parts.word_axis(COLUMNS), title="before and after")
    figure.update_yaxes(parts.word_axis(range(shown)), autorange="reversed", title="place in the text")
    if len(steps) > 1:
        figure.update_layout(sliders=[parts.slider(steps, "training step ", len(steps) - 1)])
    changed = [(old, new) for old, new in zip(*pairs[-1]) if old != new]
    said = f"{len(changed)} of {len(pairs[-1][0])} tokens are new"
    if changed:
        said += ": " + ", ".join(f"{old} becomes {new}" for old, new in changed[:4])
    said += f" and {len(changed) - 4} more" if len(changed) > 4 else ""
    alt = f"A text and its rewriting, word beside word, at {len(steps)} training steps. At step {steps[-1]}, {said}."
    notes = (f"first {shown} of up to {longest:,} tokens",) if longest > shown else ()
    title = "What the generator writes: new words are marked"
    return theme.finish(figure, title, alt, notes, plot=22 * shown, below=70)


def _cells(before: list[str], after: list[str], size: int) -> dict:
    z, words = np.full((size, 2), np.nan), [["", ""] for _ in range(size)]
    for place, (old, new) in enumerate(zip(before[:size], after)):
        z[place] = (KEPT, KEPT) if old == new else (REPLACED, NEW)
        written = theme.token_text(new)
        words[place] = [theme.token_text(old), written if old == new else f"<b>{written}</b>"]
    return {"type": "heatmap", "z": theme.compact(z), "text": words}


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
        shapes = f"steps {steps.shape}, D {rewritten.shape} and {original.shape}, climbing {climbing.shape}"
        raise ValueError(f"{shapes}: all must be (S,)")
    edges = np.flatnonzero(np.diff(np.concatenate([[False], climbing, [False]])))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        raise ValueError("the generator never climbs in these steps: climbing is False throughout")
    titles = "the whole run (running mean)", "one cycle, mean over all"
    figure = make_subplots(cols=2, column_widths=[0.62, 0.38], horizontal_spacing=0.11, subplot_titles=titles)
    place, said = np.arange(len(steps)), []
    span, keep = max(1, len(steps) // 40), parts.evenly(len(steps), parts.MOST_POINTS)
    cycle = (place - starts[np.searchsorted(starts, place, "right") - 1])[starts[0] :]  # steps since the climb began
    for name, values, role, dash in (
        ("rewritten text x′", rewritten, "student", "solid"),
        ("text x", original, "teacher", "dash"),
    ):
        look = {"shade": theme.colour(role), "width": 2.5, "dash": dash}
        smooth = np.convolve(values, np.ones(span))[: len(values)] / np.minimum(place + 1, span)
        mean = np.bincount(cycle, weights=values[starts[0] :]) / np.bincount(cycle)
        left = theme.compact(steps[keep]), smooth[keep], name, "step %{x}: D = %{y:.3f}"
        parts.add_line(figure, *left, row=1, col=1, **look)
        right = list(range(len(mean))), mean, f"{name}, one cycle", "step %{x} of the cycle: D = %{y:.3f}"
        parts.add_line(figure, *right, row=1, col=2, showlegend=False, marks=6, **look)
        rest = "it never rests" if climbing.all() else f"{values[~climbing].mean():.3g} while it rests"
        said.append(f"on the {name} {values[climbing].mean():.3g} while the generator climbs, {rest}")
    band = {"fillcolor": theme.colour("quiet"), "opacity": 0.18, "line": {"width": 0}, "layer": "below"}
    for start, end in zip(starts, ends) if len(starts) <= MOST_BANDS else ():
        figure.add_vrect(x0=float(steps[start]) - 0.5, x1=float(steps[end - 1]) + 0.5, row=1, col=1, **band)
    figure.add_vrect(x0=-0.5, x1=float((ends - starts).max()) - 0.5, row=1, col=2, **band)
    figure.update_xaxes(title="training step (shaded: the generator climbs)", row=1, col=1)
    figure.update_xaxes(title="step since the climb began", row=1, col=2)
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title="D(T, S)", row=1, col=1)
    steps_said = f"{len(steps)} steps with {len(starts)} climbs of the generator"
    alt = f"Disagreement D of teacher and student over {steps_said}: {'; '.join(said)}."
    return theme.finish(figure, "The gap between student and teacher while the generator climbs and rests", alt)
