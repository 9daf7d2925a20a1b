"""What students that write lose and keep: mass by mode (18), bytes against bias (19), drafts accepted (20)."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.analysis import half_width
from kdviz.figures import parts, theme

MOST_LINES = 8  # of `drafted_text`


def mode_mass(teacher, students, *, setting: str = "β") -> go.Figure:
    """Probability of every mode under teacher and student, with a slider over what the student was trained with.

    teacher  : mode -> probability, as `Source.mass` gives it; "none" is the mass outside every mode
    students : value of the setting -> the same modes under the student trained with it
    Raises ValueError when a student has other modes than the teacher.
    """
    modes = list(teacher)
    for value, masses in students.items():
        if list(masses) != modes:
            raise ValueError(f"the student of {setting} = {value} has the modes {list(masses)}, the teacher {modes}")
    if not students:
        raise ValueError(f"no student to show: pass a dict, value of {setting} -> its masses")
    shares = np.array([[list(teacher.values()), list(masses.values())] for masses in students.values()]).round(4)
    shades = [theme.colour("teacher"), theme.colour("student")]
    steps = [f"{value:g}" for value in students], f"{setting} = ", 0
    figure, below = parts.bars(shares, ["teacher", "student"], shades, modes, steps, "mode")
    figure.update_yaxes(range=[0, 1.08], title="probability")
    first, last = (next(iter(order)) for order in (students, reversed(students)))
    said = "; ".join(f"{mode} from {students[first][mode]:.2f} to {students[last][mode]:.2f}" for mode in modes)
    alt = f"Bars of the probability of {len(modes)} modes under teacher and student. From {setting} = {first:g} to"
    alt += f" {setting} = {last:g} the student goes: {theme.visible(said)}."
    return theme.finish(figure, "Where a student that is too small puts its mass", alt, below=below)


def kept_and_lost(points, *, y_title: str, x_title: str = "bytes a position") -> go.Figure:
    """What is kept of a teacher against what its student lacks: a line a way of keeping, a mark a size.

    points : name -> (label, x, y) of every size, x above 0; y may be several, one a seed, shown with their range
    Raises ValueError when an x is not above 0.
    """
    figure, said = go.Figure(), []
    for number, (name, sizes) in enumerate(points.items()):
        labels, x, values = zip(*sizes, strict=True)
        if min(x) <= 0:
            raise ValueError(f"{x_title} of {name!r} must be above 0, got {min(x)}: the axis is logarithmic")
        values = [np.atleast_1d(np.asarray(value, float)) for value in values]
        mean, low, high = (np.array([of(value) for value in values]) for of in (np.mean, np.min, np.max))
        look = {"number": number, "marks": 10, "customdata": [theme.text(str(label)) for label in labels]}
        if (high > low).any():
            spread = {"array": theme.compact(high - mean), "arrayminus": theme.compact(mean - low)}
            look["error_y"] = {"type": "data", "symmetric": False, "thickness": 1.2} | spread
        parts.add_line(figure, list(x), mean, name, "%{customdata}, %{x:,.4g}: %{y:.4f}", **look)
        best = int(mean.argmin())
        said.append(f"{name} is lowest, {mean[best]:.4f}, with {labels[best]} at {x[best]:,.4g}")
    parts.axes(figure, x_title, y_title)
    parts.log_ticks(figure, [x for sizes in points.values() for _, x, _ in sizes])
    alt = f"{y_title} against {x_title}, a line a way of keeping the teacher: {'; '.join(said)}."
    return theme.finish(figure, "What is stored, and what is lost", theme.visible(alt), plot=340)


def accepted_drafts(drafts) -> go.Figure:
    """How often a drafted word is accepted, by its place in the draft: what was counted beside what is expected.

    drafts : name -> (accepted, expected), each (N, K) over N calls and K places, as in `kdviz.models.drafts.Drafted`:
        1 or 0, and Σ min(p, q), NaN where a place was not looked at. Counts carry a 95 % interval over the calls.
    Raises ValueError when the two differ in shape or in what was looked at, and where no call reached a place.
    """
    figure, said = go.Figure(), []
    for number, (name, pair) in enumerate(drafts.items()):
        accepted, expected = (np.asarray(one, float) for one in pair)
        if accepted.ndim != 2 or accepted.shape != expected.shape:
            raise ValueError(f"{name!r}: accepted {accepted.shape} and expected {expected.shape} must both be (N, K)")
        seen = np.isfinite(accepted)
        if (seen != np.isfinite(expected)).any():
            raise ValueError(f"{name!r}: accepted and expected are NaN at different places; pass them as counted")
        if (reached := seen.sum(0)).min() < 2:
            raise ValueError(f"{name!r}: {reached.tolist()} calls reached the places; each needs 2: make more calls")
        places = list(range(1, accepted.shape[1] + 1))
        counted, wanted = np.nanmean(accepted, 0), np.nanmean(expected, 0)
        half = [half_width(column[rows]) for column, rows in zip(accepted.T, seen.T)]
        look = {"number": number, "shade": theme.shade(name, number)}
        parts.add_line(figure, places, wanted, f"{name}, Σ min(p, q)", "place %{x}: %{y:.3f}", dash="dash", **look)
        look["error_y"] = {"type": "data", "array": theme.compact(half), "thickness": 1.2}
        parts.add_line(figure, places, counted, f"{name}, counted", "place %{x}: %{y:.3f}", marks=10, **look)
        figure.data[-1].update(mode="markers", marker_color=figure.data[-1].line.color)
        said.append(f"{name} {counted[0]:.3f} counted and {wanted[0]:.3f} expected at the first place")
    parts.axes(figure, "place in the draft", "accepted, of those looked at")
    figure.update_xaxes(dtick=1)
    alt = f"Share of drafted words accepted at each of {accepted.shape[1]} places, with what is expected: "
    return theme.finish(figure, "Is the draft accepted?", theme.visible(alt + "; ".join(said) + "."))


def drafted_text(words, drafted, *, per_line: int = 12) -> go.Figure:
    """A text coloured by who wrote each word: the draft, where it was accepted, or the large model.

    words : n words, of which eight lines are shown   drafted : n of True for a word of the draft
    Raises ValueError when there are not as many of both, or none.
    """
    drafted = np.asarray(drafted, bool)
    if len(words) != len(drafted) or not len(words):
        raise ValueError(f"{len(words)} words and {len(drafted)} marks: pass one for each word, at least one")
    shown, notes = theme.cut(words, per_line * MOST_LINES)
    lines, count = -(-len(shown) // per_line), len(shown)
    filled = np.append(drafted[:count].astype(float), [np.nan] * (lines * per_line - count)).reshape(lines, per_line)
    cells = np.array([*map(theme.token_text, shown), *[""] * (lines * per_line - count)], object).reshape(lines, -1)
    who = np.where(filled == 1, "the draft", "the large model").tolist()
    look = {"zmin": 0, "zmax": 1, "xgap": 2, "ygap": 6, "showscale": False}
    shades = [[0, theme.colour("teacher")], [0.5, theme.colour("teacher")], [0.5, theme.colour("blank")]]
    figure = go.Figure()
    figure.add_heatmap(
        z=theme.compact(filled),
        text=cells.tolist(),
        texttemplate="%{text}",
        textfont={"size": theme.FONT_SIZE},  # else plotly makes it fit, too small to read
        customdata=who,
        hovertemplate="%{text}: by %{customdata}<extra></extra>",
        colorscale=[*shades, [1, theme.colour("blank")]],
        **look,
    )
    bare = {"showgrid": False, "zeroline": False, "showticklabels": False}
    figure.update_xaxes(**bare, title="grey: drafted and accepted; coloured: written by the large model")
    figure.update_yaxes(**bare, autorange="reversed", title="line")
    own = " ".join(theme.visible(word) for word, by in zip(shown, drafted) if not by)
    alt = f"A text of {len(words)} words, {drafted.sum()} of them drafted and accepted. The large model wrote: {own}."
    return theme.finish(figure, "Who wrote which word", alt, notes, plot=max(120, 40 * lines))
