"""What language models say: mass by mode (18), the next word after every prefix (18), bytes against bias (19)."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.course.figures.logits import bars
from kdviz.figures import parts, theme

MOST_WORDS = 20  # on the axis of `next_words`
REST = "all others"


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
    figure, below = bars(shares, ["teacher", "student"], shades, modes, steps, "mode")
    figure.update_yaxes(range=[0, 1.08], title="probability")
    first, last = (next(iter(order)) for order in (students, reversed(students)))
    said = "; ".join(f"{mode} from {students[first][mode]:.2f} to {students[last][mode]:.2f}" for mode in modes)
    alt = f"Bars of the probability of {len(modes)} modes under teacher and student. From {setting} = {first:g} to"
    alt += f" {setting} = {last:g} the student goes: {theme.visible(said)}."
    return theme.finish(figure, "Where a student that is too small puts its mass", alt, below=below)


def next_words(prefix, teacher, student, words) -> go.Figure:
    """The next word's distribution of teacher and student after every prefix of a text, with a slider over prefixes.

    prefix  : the n words of the text   words : names of the V words of the vocabulary
    teacher, student : (n, V) probabilities of the next word after each of them
    Of a large vocabulary the 20 words that matter most anywhere in the text are shown, and the rest as one bar. Raises
    ValueError when sizes disagree or a row does not sum to 1.
    """
    rows = np.stack([np.asarray(teacher, float), np.asarray(student, float)], 1)
    if rows.shape != (len(prefix), 2, len(words)):
        raise ValueError(f"{len(prefix)} words read and {len(words)} known do not fit probabilities {rows.shape}")
    if np.abs(rows.sum(-1) - 1).max() > 1e-3:
        raise ValueError(
            f"a row sums to {rows.sum(-1).flat[np.abs(rows.sum(-1) - 1).argmax()]:.3f}: pass probabilities"
        )
    words = list(words)
    if len(words) > MOST_WORDS:
        kept = np.sort(np.argsort(rows.max((0, 1)))[-MOST_WORDS:])
        rest = 1 - rows[..., kept].sum(-1, keepdims=True)
        rows, words = np.concatenate([rows[..., kept], rest], -1), [*(words[place] for place in kept), REST]
    before = [" ".join(map(theme.visible, prefix[max(0, end - 4) : end])) for end in range(1, len(prefix) + 1)]
    steps = [theme.text(theme.shortened(text, 24)) for text in before], "after ", 0
    shades = [theme.colour("teacher"), theme.colour("student")]
    figure, below = bars(rows.round(4), ["teacher", "student"], shades, words, steps, "next word")
    figure.update_yaxes(range=[0, 1.08], title="probability")
    apart = np.abs(rows[:, 0] - rows[:, 1]).sum(-1) / 2
    alt = f"Bars of the next word's probability for teacher and student after each of {len(prefix)} prefixes. They are"
    alt += f" furthest apart after {before[apart.argmax()]!r}, by a total variation of {apart.max():.2f}."
    return theme.finish(figure, "The next word, teacher and student", theme.visible(alt), below=below)


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
