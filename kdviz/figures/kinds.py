"""What teacher and student answer where an answer is no class of one text: an ending, a number, a part of a context."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kdviz.data.questions import best_spans
from kdviz.figures import inputs, parts, theme

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


def spans(states, right: Sequence[int], *, sentence: int = 0) -> go.Figure:
    """Probabilities that an answer begins and ends at each word of a context, teacher | student, the right one marked.

    The first bars are those of "no answer", for which models of question answering take their first token. Its
    probability, that of this start and this end, is told above the picture. Of a long context the part around the right
    answer is shown, or around the likeliest words where there is none. There is no view by layer: probes
    (`kdviz.models.probes`) read one vector of a text, an answer needs one of each word, and methods with probes
    refuse this kind.

    states   : States of one model of question answering, or of two, from ``kd.encode(models, (question, context))``
    right    : the characters (start, end) of the context, as the column label of a task has them; (0, 0) for no answer
    sentence : which of the texts
    Raises ValueError for other States, and when no token stands at these characters.
    """
    models = inputs.one_sentence(states, sentence)
    if other := [model.name for model in models if model.places is None]:
        raise ValueError(f"{other[0]!r} answers no questions: kd.encode(models, (question, context)) of those that do")
    tokens, places = models[0].tokens[0], models[0].places[0]
    context = [place for place, characters in enumerate(places) if characters is not None]
    start, end = map(int, right)
    marked = [place for place in context if places[place][0] < end and start < places[place][1]]
    if not context or not marked and (start, end) != (0, 0):
        last = places[context[-1]][1] if context else 0
        raise ValueError(f"right={(start, end)}: the context that was read has the characters 0 to {last}")
    logits = np.stack([model.logits[0].double().numpy() for model in models])  # (models, n, 2)
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    most = theme.MOST_TOKENS - 1
    middle = context.index(marked[0]) if marked else int(shares[:, context].sum((0, 2)).argmax())
    first = max(0, min(middle - most // 2, len(context) - most))
    shown = [0, *context[first : first + most]]
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.08)
    notes, said, empty = list(dict.fromkeys(note for model in models for note in model.notes)), [], []
    if len(context) > most:
        notes.append(f"tokens {first + 1} to {first + most} of the {len(context):,} of the context")
    for number, (model, panel, share) in enumerate(zip(models, inputs.panels_of(models), shares)):
        for side, name in enumerate(("start", "end")):
            hover = f"{theme.text(panel.name)}: {name} %{{y:.3f}}<extra></extra>"
            bars = {
                "x": list(range(len(shown))),
                "y": theme.compact(share[shown, side]),
                "name": theme.text(panel.name),
            }
            look = {"marker": {"color": theme.colour(panel.role)}, "showlegend": side == 0, "legendgroup": str(number)}
            figure.add_bar(row=side + 1, col=1, hovertemplate=hover, **bars, **look)
        low, high = best_spans(model.logits)[1][0].tolist()
        words, none = " ".join(map(theme.visible, tokens[low : high + 1])), f"{share[0].prod():.0%}"
        best = f"“{words}” {share[low, 0] * share[high, 1]:.0%}"
        empty.append(f"{panel.name} {none}")
        said.append(f"{panel.name} gives {none} to no answer and, of all spans, the most to {best}")
    notes.append(f"no answer: {', '.join(empty)}")
    edges = [shown.index(place) for place in marked or [0] if place in shown]
    for row in (1, 2):
        shade = {"fillcolor": theme.colour("quiet"), "opacity": 0.25, "line": {"width": 0}, "layer": "below"}
        figure.add_vrect(edges[0] - 0.5, edges[-1] + 0.5, row=row, col=1, **shade)
    labels = ["no answer", *(tokens[place] for place in shown[1:])]
    figure.update_xaxes(**parts.word_axis(labels), tickangle=-90, range=[-0.6, len(shown) - 0.4])
    figure.update_xaxes(title="words of the context; shaded: the right answer", row=2, col=1)
    for row, name in enumerate(("start", "end"), start=1):
        figure.update_yaxes(title=f"probability of the {name}", range=[0, 1], nticks=3, row=row, col=1)
    truth = (
        f"“{' '.join(theme.visible(tokens[place]) for place in marked)}” is right" if marked else "nothing answers it"
    )
    alt = f"Bars of start and end over {len(shown) - 1} tokens of a context: {truth}; {'; '.join(said)}."
    longest = max(len(theme.visible(label)) for label in labels)
    below = 44 + 7 * min(longest, theme.LONGEST_TOKEN)
    return theme.finish(figure, "Where the answer begins, and where it ends", alt, notes, plot=320, below=below)
