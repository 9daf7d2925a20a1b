"""What teacher and student answer where an answer is no class of one text: one of several endings, a number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import parts, theme

LONGEST = 40  # characters of an ending on the axis


def choices(student_logits, teacher_logits, endings: Sequence[str], right: int, beginning: str = "") -> go.Figure:
    """Probabilities of the endings of one beginning, teacher and student side by side, the right one marked.

    student_logits, teacher_logits : (K,)   endings : the K texts   right : the number of the one that fits, from 0
    beginning : shown above the bars
    Raises ValueError when the sizes disagree, or there is no ending `right`.
    """
    student, teacher = np.asarray(student_logits, float), np.asarray(teacher_logits, float)
    if student.shape != teacher.shape or student.shape != (len(endings),):
        raise ValueError(f"logits {student.shape} and {teacher.shape} for {len(endings)} endings: pass (K,) twice")
    if not 0 <= right < len(endings):
        raise ValueError(f"right={right}: there are {len(endings)} endings, counted from 0")
    figure, said, places = go.Figure(), [], list(range(len(endings)))
    for role, logits in (("teacher", teacher), ("student", student)):
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        outline = {"color": theme.colour("ink"), "width": [2.5 if place == right else 0 for place in places]}
        look = {"color": theme.colour(role), "line": outline}
        hover = f"{role}: %{{x:.3f}}<extra></extra>"
        bars = {"x": theme.compact(shares), "y": places, "orientation": "h"}
        figure.add_bar(**bars, marker=look, name=role, hovertemplate=hover)
        said.append(f"the {role} gives it {shares[right]:.0%} and chooses ending {int(shares.argmax())}")
    parts.axes(figure, "probability", "ending, the right one outlined")
    figure.update_xaxes(range=[0, 1])
    figure.update_yaxes(**parts.word_axis(endings, LONGEST), autorange="reversed", automargin=True)
    alt = f"Bars of {len(endings)} endings. Ending {right} is right: {'; '.join(said)}."
    notes = (theme.shortened(beginning, 100),) if beginning else ()
    return theme.finish(figure, "Which ending teacher and student choose", alt, notes, plot=max(300, 50 * len(endings)))


def values(student_values, teacher_values, names: Sequence[str] | None = None) -> go.Figure:
    """The student's numbers against its teacher's (regression), a point a text; on the diagonal they are equal.

    student_values, teacher_values : (N,)   names : what a point shows when it is pointed at, (N,)
    Raises ValueError when the sizes disagree or there are fewer than 2.
    """
    student, teacher = np.asarray(student_values, float), np.asarray(teacher_values, float)
    if (
        student.shape != teacher.shape
        or student.ndim != 1
        or len(student) < 2
        or (names is not None and len(names) != len(student))
    ):
        sizes = f"{student.shape}, {teacher.shape}" + ("" if names is None else f" and {len(names)} names")
        raise ValueError(f"values {sizes}: pass (N,) of both, and as many names, for 2 texts or more")
    shown = [theme.token_text(str(name), LONGEST) for name in names] if names is not None else None
    ends = [min(student.min(), teacher.min()), max(student.max(), teacher.max())]
    figure = go.Figure()
    line = {"color": theme.colour("quiet"), "dash": "dash"}
    figure.add_scatter(x=ends, y=ends, mode="lines", line=line, name="equal", hoverinfo="skip")
    hover = ("%{text}<br>" if shown else "") + "teacher %{x:.2f}<br>student %{y:.2f}<extra></extra>"
    look = {"color": theme.colour("student"), "opacity": 0.6}
    points = {"x": theme.compact(teacher), "y": theme.compact(student), "text": shown, "hovertemplate": hover}
    figure.add_scatter(**points, mode="markers", marker=look, name="a text")
    parts.axes(figure, "the teacher's value", "the student's value")
    varied = min(student.std(), teacher.std()) > 0
    related = (
        f"their correlation is {np.corrcoef(student, teacher)[0, 1]:.2f}" if varied else "one of them never varies"
    )
    gap = np.abs(student - teacher).mean()
    alt = f"{len(student)} values of student and teacher: {related}, and they are {gap:.2f} apart in the mean."
    return theme.finish(figure, "How near the student's numbers are to its teacher's", alt)
