"""Schedules and how a student follows them: weights over time, a teacher that grows, two logits chasing each other."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import heatmaps, theme

MOST_POINTS = 400
MOST_FRAMES = 25


def schedule(x, lines, *, title: str, x_title: str = "training step", y_title: str = "value") -> go.Figure:
    """Named curves over the steps of a run, such as ψ, Φ and m·Φ. lines: name -> as many numbers as `x`.

    Raises ValueError when lengths differ.
    """
    x = np.asarray(x, float)
    keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).round().astype(int))
    figure = go.Figure()
    for number, (name, values) in enumerate(lines.items()):
        values = np.asarray(values, float)
        if values.shape != x.shape:
            raise ValueError(f"line {name!r} has {values.shape} numbers for {x.shape} steps")
        figure.add_scatter(
            x=theme.compact(x[keep]), y=theme.compact(values[keep]), name=theme.text(name), mode="lines",
            line={"color": theme.WORD_COLOURS[number % 8], "width": 2.5, "dash": ("solid", "dash", "dot")[number % 3]},
            hovertemplate=f"{theme.text(name)} %{{y:.3f}}<br>{theme.text(x_title)} %{{x}}<extra></extra>",
        )  # fmt: skip
    axes(figure, x_title, y_title)
    ends = "; ".join(f"{name} goes from {values[0]:.3g} to {values[-1]:.3g}" for name, values in lines.items())
    return theme.finish(figure, theme.text(title), f"Curves over {len(x)} points of {x_title}: {ends}.")


def growing_teacher(steps, phis, teacher, student, labels) -> go.Figure:
    """One text: the teacher's logits as they grow with Φ, and the student's, at steps of a run; a slider over steps.

    steps   : (S,) training steps    phis : (S,) Φ at these steps    labels : names of the C classes
    teacher : (C,) logits at Φ = 1   student : (S, C)
    Of more than 25 steps an even choice is shown. Raises ValueError when sizes disagree.
    """
    phis, teacher, student = (np.asarray(value, float) for value in (phis, teacher, student))
    if student.shape != (len(steps), len(labels)) or teacher.shape != (len(labels),) or phis.shape != (len(steps),):
        raise ValueError(
            f"{len(steps)} steps and {len(labels)} labels do not fit Φ {phis.shape}, teacher {teacher.shape}, "
            f"student {student.shape}"
        )
    chosen = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), MOST_FRAMES)).round().astype(int))
    places = list(range(len(labels)))

    def bars(at):
        return [{"type": "bar", "y": (phis[at] * teacher).round(4).tolist()}, {"type": "bar", "y": student[at].round(4).tolist()}]

    looks = [
        {"x": places, "name": name, "marker": {"color": theme.colour(role)},
         "hovertemplate": f"{name}<br>%{{y:.3f}}<extra></extra>"}
        for name, role in (("Φ · teacher", "teacher"), ("student", "student"))
    ]
    frames = [{"name": f"step {k}", "traces": [0, 1], "data": bars(at)} for k, at in enumerate(chosen)]
    reach = 1.08 * max(np.abs(teacher).max(), np.abs(student).max(), 1e-6)
    layout = {
        "height": 460, "margin": {"t": 80, "b": 150, "l": 64, "r": 20},
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
        "xaxis": {
            "tickmode": "array", "tickvals": places, "ticktext": [theme.token_text(label, 24) for label in labels],
            "title": {"text": "class"}, "showgrid": False,
        },
        "yaxis": {"title": {"text": "logit"}, "range": [-reach, reach]},
        "sliders": [heatmaps.slider(
            [f"{steps[at]} (Φ = {phis[at]:.2f})" for at in chosen], "step ", len(chosen) - 1, 56
        )],
    }  # fmt: skip
    data = [look | bar for look, bar in zip(looks, bars(chosen[-1]))]
    alt = (
        f"Bars of the logits of {len(labels)} classes for the teacher times Φ and for the student, at {len(chosen)} "
        f"training steps; Φ goes from {phis[chosen[0]]:.2f} to {phis[chosen[-1]]:.2f}."
    )
    return theme.finish(go.Figure(data=data, frames=frames, layout=layout), "The teacher grows, the student follows", alt)


def logit_path(phis, teacher, students, classes, labels) -> go.Figure:
    """Phase plot of two classes' logits: the target Φ·z_T moves along a ray, each student along its path.

    phis     : (S,) Φ at S steps             teacher : (C,) logits at Φ = 1
    students : name -> (S, C) logits at these steps
    classes  : the two classes on the axes   labels  : names of the C classes
    """
    teacher, (a, b) = np.asarray(teacher, float), classes
    target = np.unique(np.asarray(phis, float))[:, None] * teacher
    figure = go.Figure(go.Scatter(
        x=theme.compact(target[:, a]), y=theme.compact(target[:, b]), name="target Φ · teacher", mode="lines+markers",
        line={"color": theme.colour("teacher"), "dash": "dot"}, marker={"symbol": "diamond", "size": 10},
        hovertemplate="Φ · teacher (%{x:.2f}, %{y:.2f})<extra></extra>",
    ))  # fmt: skip
    shades = [theme.colour("student"), *(colour for colour in theme.WORD_COLOURS[2:])]
    for number, (name, path) in enumerate(students.items()):
        path = np.asarray(path, float)
        if path.ndim != 2 or path.shape[1] != len(teacher):
            raise ValueError(f"path of {name!r} has shape {path.shape}; wanted are (steps, {len(teacher)})")
        sizes = np.linspace(4, 11, len(path)).round(1).tolist()
        figure.add_scatter(
            x=theme.compact(path[:, a]), y=theme.compact(path[:, b]), name=theme.text(name), mode="lines+markers",
            line={"color": shades[number % len(shades)], "width": 1.5}, marker={"size": sizes},
            hovertemplate=f"{theme.text(name)} (%{{x:.2f}}, %{{y:.2f}})<extra></extra>",
        )  # fmt: skip
    axes(figure, f"logit of {labels[a]}", f"logit of {labels[b]}")
    names = ", ".join(students)
    alt = (
        f"Paths of the logits of {labels[a]} and {labels[b]} during training for {names}; the target moves along a straight "
        f"ray from Φ = {min(phis):.2f} to the teacher's own logits ({teacher[a]:.2f}, {teacher[b]:.2f})."
    )
    return theme.finish(figure, "Logits on their way to the teacher (larger marks are later)", alt)


def axes(figure: go.Figure, x_title: str, y_title: str, height: int = 420) -> None:
    figure.update_xaxes(title=theme.text(x_title))
    figure.update_yaxes(title=theme.text(y_title))
    figure.update_layout(
        height=height, margin={"t": 84, "l": 64, "r": 16, "b": 56},
        legend={"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom"},
    )  # fmt: skip
