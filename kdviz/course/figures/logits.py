"""What models answer: bars of classes under a temperature, a map of doubts (01), and logits that grow with Φ (06)."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import heatmaps, parts, theme
from kdviz.figures.inputs import Panel

TEMPERATURES = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0)
MOST_FRAMES = 25


def soft_targets(logits, labels, temperatures=TEMPERATURES, *, names=("teacher", "student")) -> go.Figure:
    """Bars of softmax(logits / τ) for each class, with a slider over τ (Hinton et al. 2015); τ = 1 first when offered.

    logits : (C,) of one model, or (K, C), one row a model; tensors or arrays
    labels : names of the C classes   names : names of the K models, "teacher" and "student" keep their colours
    Raises ValueError when sizes disagree, a value is not finite, or a temperature is not positive.
    """
    rows = np.atleast_2d(np.asarray(logits, dtype=np.float64))
    names, temperatures = list(names)[: len(rows)], [float(t) for t in temperatures]
    if rows.ndim != 2 or rows.shape[1] != len(labels) or len(names) != len(rows):
        raise ValueError(f"logits {rows.shape} do not fit {len(labels)} labels and {len(names)} names")
    if not np.isfinite(rows).all():
        raise ValueError(f"{(~np.isfinite(rows)).sum()} of {rows.size} logits are NaN or infinite")
    if not temperatures or min(temperatures) <= 0:
        raise ValueError(f"temperatures must be positive, got {temperatures}")
    grown = np.exp((rows - rows.max(1, keepdims=True)) / np.reshape(temperatures, (-1, 1, 1)))
    shares = (grown / grown.sum(-1, keepdims=True)).round(4)  # (temperatures, K, C)
    start = temperatures.index(1.0) if 1.0 in temperatures else 0
    steps = [f"{t:g}" for t in temperatures], "temperature τ = ", start
    figure, below = parts.bars(shares, names, [theme.shade(name, k) for k, name in enumerate(names)], labels, steps)
    only = f" at temperature τ = {temperatures[0]:g}" if len(temperatures) == 1 else ""
    figure.update_yaxes(range=[0, 1.08 * shares.max()], title=f"probability{only}")
    top = int(rows[0].argmax())
    low, high = (shares[pick(temperatures), 0, top] for pick in (np.argmin, np.argmax))
    alt = (
        f"Bars of the probabilities of {len(labels)} classes ({', '.join(map(theme.visible, labels))}) for "
        f"{' and '.join(names)} at temperatures {min(temperatures):g} to {max(temperatures):g}; the {names[0]}'s first "
        f"choice, {theme.visible(labels[top])}, goes from {low:.2f} to {high:.2f}."
    )
    return theme.finish(figure, "Soft targets: what a temperature reveals", alt, below=below)


def doubts(answers, labels) -> go.Figure:
    """What a model gives to each wrong class, by the true one: its confusions; the share of the true class is blank.

    answers : (C, C), a row a true class: the mean probabilities of its texts   labels : names of the C classes
    Raises ValueError when sizes disagree or a row is not one of probabilities.
    """
    answers = np.array(answers, float)
    if answers.shape != (len(labels), len(labels)):
        raise ValueError(f"answers {answers.shape} and {len(labels)} labels: pass a row and a column for each label")
    if not (answers >= 0).all() or not np.allclose(answers.sum(1), 1, atol=1e-4):
        raise ValueError(f"rows sum to {answers.sum(1).round(3).tolist()}: pass probabilities, classes in columns")
    np.fill_diagonal(answers, np.nan)
    alike = divmod(int(np.nanargmax(answers)), len(labels))
    title, names = "Which wrong answers does it think of?", [str(label) for label in labels]
    view = heatmaps.View("", title, [answers[None]], "probability", (0.0, float(np.nanmax(answers))))
    alt = f"Map of the probability given to each wrong class, by the true class; most, {np.nanmax(answers):.2f}, to "
    alt += f"{theme.visible(names[alike[1]])} where {theme.visible(names[alike[0]])} is true."
    axes, panel = ("answer", "true class"), Panel("", "model")
    return heatmaps.figure([view], [panel], [names], alt=alt, axis_names=axes, joint="taken for")


def growing_teacher(steps, phis, teacher, student, labels) -> go.Figure:
    """One text: the teacher's logits as they grow with Φ, and the student's, at steps of a run; a slider over steps.

    steps   : (S,) training steps    phis : (S,) Φ at these steps    labels : names of the C classes
    teacher : (C,) logits at Φ = 1   student : (S, C)
    Of more than 25 steps an even choice is shown. Raises ValueError when sizes disagree.
    """
    phis, teacher, student = (np.asarray(value, float) for value in (phis, teacher, student))
    if student.shape != (len(steps), len(labels)) or teacher.shape != (len(labels),) or phis.shape != (len(steps),):
        shapes = f"Φ {phis.shape}, teacher {teacher.shape}, student {student.shape}"
        raise ValueError(f"{len(steps)} steps and {len(labels)} labels do not fit {shapes}")
    chosen = parts.evenly(len(steps), MOST_FRAMES)
    logits = np.stack([phis[chosen, None] * teacher, student[chosen]], 1).round(4)
    words = [f"{steps[at]} (Φ = {phis[at]:.2f})" for at in chosen], "step ", len(chosen) - 1
    shades = [theme.colour("teacher"), theme.colour("student")]
    figure, below = parts.bars(logits, ["Φ · teacher", "student"], shades, labels, words)
    reach = 1.2 * max(np.abs(teacher).max(), np.abs(student).max(), 1e-6)
    figure.update_yaxes(range=[-reach, reach], title="logit")
    alt = f"Bars of the logits of {len(labels)} classes for the teacher times Φ and for the student, at {len(chosen)}"
    alt += f" training steps; Φ goes from {phis[chosen[0]]:.2f} to {phis[chosen[-1]]:.2f}."
    return theme.finish(figure, "The teacher grows, the student follows", alt, below=below)


def logit_path(phis, teacher, students, classes, labels) -> go.Figure:
    """Phase plot of two classes' logits: the target Φ·z_T moves along a ray, each student along its path.

    phis     : (S,) Φ at S steps             teacher : (C,) logits at Φ = 1
    students : name -> (S, C) logits at these steps
    classes  : the two classes on the axes   labels  : names of the C classes
    """
    teacher, (a, b), figure = np.asarray(teacher, float), classes, go.Figure()
    target, place = np.unique(np.asarray(phis, float))[:, None] * teacher, "(%{x:.2f}, %{y:.2f})"
    look = {"shade": theme.colour("teacher"), "dash": "dot", "number": 2, "marks": 10}
    parts.add_line(figure, theme.compact(target[:, a]), target[:, b], "target Φ · teacher", place, **look)
    shades = [theme.colour("student"), *theme.WORD_COLOURS[2:]]
    for number, (name, path) in enumerate(students.items()):
        path = np.asarray(path, float)
        if path.ndim != 2 or path.shape[1] != len(teacher):
            raise ValueError(f"path of {name!r} has shape {path.shape}; wanted are (steps, {len(teacher)})")
        look = {"shade": shades[number % len(shades)], "width": 1.5}
        look["marks"] = np.linspace(4, 11, len(path)).round(1).tolist()
        parts.add_line(figure, theme.compact(path[:, a]), path[:, b], name, place, **look)
    parts.axes(figure, f"logit of {labels[a]}", f"logit of {labels[b]}")
    alt = (
        f"Paths of the logits of {labels[a]} and {labels[b]} during training for {', '.join(students)}; the target "
        f"moves along a straight ray from Φ = {min(phis):.2f} to the teacher's own logits ({teacher[a]:.2f}, "
        f"{teacher[b]:.2f})."
    )
    return theme.finish(figure, "Logits on their way to the teacher (larger marks are later)", alt)
