"""Which checkpoint teaches best (08), and samples over training: their weights (09), which are memorised (10)."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.analysis import half_width
from kdviz.figures import parts, theme
from kdviz.figures.curves import curves

ROWS_OF_A_MAP = 150  # more would be thinner than two pixels
OUTCOMES = ("right class", "another class", "the wrong label")


def checkpoint_search(checkpoints, teacher, students) -> go.Figure:
    """Score of students against the teacher checkpoint that each was distilled from; a star marks each one's best.

    checkpoints : (X,) numbers of the checkpoints, in training order   teacher : (X,) their own scores
    students    : name -> (seeds, X) scores, one row a seed
    Raises ValueError when sizes disagree.
    """
    title, x_title = "Which checkpoint is the best teacher?", "teacher's checkpoint (epoch of its training)"
    figure = curves(checkpoints, {"teacher": teacher} | dict(students), title=title, x_title=x_title)
    said = []
    for trace, (name, scores) in zip(figure.data[1:], students.items()):
        mean = np.atleast_2d(np.asarray(scores, float)).mean(0)
        best = int(mean.argmax())
        star = {"symbol": "star-open", "size": 22, "color": trace.line.color, "line": {"width": 2}}
        label = f"best for {theme.text(name)}"
        figure.add_scatter(x=[checkpoints[best]], y=theme.compact(mean[[best]]), name=label, marker=star)
        said.append(f"{name} scores best, {mean[best]:.3f}, with checkpoint {checkpoints[best]}")
        said[-1] += f" and {mean[-1]:.3f} with the last"
        hover = f"{label}: checkpoint %{{x}}, %{{y:.3f}}<extra></extra>"
        figure.data[-1].update(mode="markers", showlegend=False, hovertemplate=hover)
    figure.data[0].line.dash = "dot"
    own = np.asarray(teacher, float)
    ends = f"the teacher itself goes from {own[0]:.3f} to {own[-1]:.3f}"
    alt = f"Accuracy against the teacher's checkpoint: {ends}; {'; '.join(said)}."
    return theme.finish(figure, figure.layout.title.text, alt)


def sample_weights(visits, shares, groups, *, name: str = "λ, share of the teacher") -> go.Figure:
    """Weights of single samples each time they are visited: the mean of each group with its 95 % interval.

    visits : (V,) names of the visits, such as epochs   shares : (rows, V), NaN where a row was not visited
    groups : name -> (rows,) bool, such as {"flipped label": …, "teacher wrong": …, "the others": …}
    Raises ValueError when sizes disagree or a group is empty.
    """
    shares = np.asarray(shares, float)
    figure, said = go.Figure(), []
    for number, (group, members) in enumerate(groups.items()):
        members = np.asarray(members, bool)
        if members.shape != shares.shape[:1] or shares.shape[1] != len(visits):
            sizes = f"{len(visits)} visits and group {group!r} of {members.shape} rows"
            raise ValueError(f"shares {shares.shape} do not fit {sizes}")
        if not members.any():
            raise ValueError(f"group {group!r} has no member: leave it out")
        own = shares[members]
        mean, look = np.nanmean(own, 0), {"number": number, "marks": 9}
        half = [half_width(column[~np.isnan(column)]) for column in own.T]
        look["error_y"] = {"type": "data", "array": theme.compact(half), "thickness": 1.2}
        parts.add_line(figure, list(visits), mean, f"{group} ({len(own):,})", "mean %{y:.3f}", **look)
        said.append(f"{group}: mean from {mean[0]:.2f} to {mean[-1]:.2f}")
    parts.axes(figure, "visit of the sample (epoch)", f"{name} (mean, 95 % interval)")
    figure.update_yaxes(range=[-0.02, 1.02])
    alt = f"{name} over {len(visits)} visits. {'; '.join(said)}."
    return theme.finish(figure, "Which samples follow the teacher?", alt)


def memorised(visits, answers, given, true) -> go.Figure:
    """What students answer to items whose label is wrong, over training: the right class, another, or the wrong label.

    visits  : (V,) names of the visits, such as epochs
    answers : method -> (rows, V) predicted classes; a menu chooses among methods
    given, true : (rows,) the wrong label and the right one
    Items are sorted by how often they were answered with their wrong label; of many, an even choice is shown.
    Raises ValueError when sizes disagree, or a label is not wrong.
    """
    given, true, wanted = np.asarray(given), np.asarray(true), (len(given), len(visits))
    if (same := int((given == true).sum())) or not len(given):
        raise ValueError(f"{same} of {len(given)} labels are right: pass only items with a wrong label, at least one")
    shades = [theme.colour(part) for part in ("teacher", "blank", "student")]
    scale = [[edge / 3, shade] for place, shade in enumerate(shades) for edge in (place, place + 1)]
    bar = {"tickvals": [0, 1, 2], "ticktext": list(OUTCOMES), "title": {"text": "answers"}, "outlinewidth": 0}
    look = {"zmin": -0.5, "zmax": 2.5, "colorscale": scale, "colorbar": bar, "xgap": 1}
    figure, titles, said, keep = go.Figure(), [], [], parts.evenly(len(given), ROWS_OF_A_MAP)
    for name, values in answers.items():
        values, shown = np.asarray(values), theme.text(name)
        if values.shape != wanted:
            raise ValueError(f"answers of {name!r} have shape {values.shape}; wanted are {wanted}")
        fooled, right = values == given[:, None], values == true[:, None]
        codes = np.where(fooled, 2.0, np.where(right, 0.0, 1.0))[np.argsort(fooled.sum(1), kind="stable")]
        hover = "item %{y}, visit %{x}: %{z:.0f} (0 right class, 1 another, 2 the wrong label)"
        figure.add_heatmap(z=theme.compact(codes[keep]), visible=not titles, **look)
        figure.data[-1].hovertemplate = f"{hover}<br>{shown}<extra></extra>"
        titles.append(f"Who memorises wrong labels? {shown}")
        said.append(f"{name}: {fooled[:, 0].mean():.0%} memorised at first, {fooled[:, -1].mean():.0%} at the end")
    parts.axes(figure, "visit (epoch)", "items with a wrong label, most memorised on top")
    figure.update_xaxes(parts.word_axis(visits))
    notes = (f"{len(keep)} of {len(given):,} items",) if len(keep) < len(given) else ()
    if len(titles) > 1:
        menu = parts.menu([theme.text(name) for name in answers], titles, 1)
        figure.update_layout(updatemenus=[menu])
    alt = f"Items with a wrong label, one a row, over {len(visits)} visits, coloured by what the student answers."
    return theme.finish(figure, titles[0], f"{alt} {'; '.join(said)}.", notes, plot=380)
