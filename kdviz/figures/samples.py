"""Scores with their intervals over a setting, and single samples over training: their weights, and which are memorised."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from scipy import stats

from kdviz.figures import heatmaps, theme
from kdviz.figures.schedules import axes

LINES_OF_A_GROUP = 25  # thin lines of single samples: more hide each other
ROWS_OF_A_MAP = 150  # more would be thinner than two pixels
OUTCOMES = ("right class", "another class", "the wrong label")


def curves(x, scores, *, title: str, x_title: str, y_title: str = "accuracy") -> go.Figure:
    """Mean over seeds with its 95 % interval (Student's t) against a setting: noise, checkpoint, start.

    x : (X,) values of the setting   scores : name -> (seeds, X) numbers, one row a seed; one row has no interval
    Raises ValueError when sizes disagree.
    """
    figure, told = go.Figure(), []
    for number, (name, values) in enumerate(scores.items()):
        values = np.atleast_2d(np.asarray(values, float))
        if values.shape[1] != len(x):
            raise ValueError(f"scores of {name!r} have shape {values.shape}; wanted are (seeds, {len(x)})")
        mean, count = values.mean(0), len(values)
        half = stats.t.ppf(0.975, count - 1) * values.std(0, ddof=1) / np.sqrt(count) if count > 1 else None
        shade = theme.colour(name) if name in ("teacher", "student") else theme.WORD_COLOURS[number % 8]
        figure.add_scatter(
            x=list(x), y=theme.compact(mean), name=theme.text(name), mode="lines+markers",
            line={"color": shade, "width": 2}, marker={"symbol": theme.WORD_SHAPES[number % 8], "size": 9},
            error_y=None if half is None else {"type": "data", "array": theme.compact(half), "thickness": 1.2},
            hovertemplate=f"{theme.text(name)} %{{y:.3f}}<br>%{{x}}<extra></extra>",
        )  # fmt: skip
        best = int(mean.argmax())
        told.append(f"{name} is highest, {mean[best]:.3f}, at {x[best]}")
    axes(figure, x_title, f"{y_title} (mean over seeds, 95 % interval)")
    return theme.finish(figure, theme.text(title), f"{y_title} against {x_title}: {'; '.join(told)}.")


def checkpoint_search(checkpoints, teacher, students) -> go.Figure:
    """Score of students against the teacher checkpoint that each was distilled from; a star marks each one's best.

    checkpoints : (X,) numbers of the checkpoints, in training order   teacher : (X,) their own scores
    students    : name -> (seeds, X) scores, one row a seed
    Raises ValueError when sizes disagree.
    """
    figure = curves(
        checkpoints, {"teacher": teacher} | dict(students), title="Which checkpoint is the best teacher?",
        x_title="teacher's checkpoint (epoch of its training)",
    )  # fmt: skip
    told = []
    for trace, (name, scores) in zip(figure.data[1:], students.items()):
        mean = np.atleast_2d(np.asarray(scores, float)).mean(0)
        best = int(mean.argmax())
        figure.add_scatter(
            x=[checkpoints[best]], y=theme.compact(mean[[best]]), mode="markers", name=theme.text(f"best for {name}"),
            marker={"symbol": "star-open", "size": 22, "color": trace.line.color, "line": {"width": 2}}, showlegend=False,
            hovertemplate=f"best for {theme.text(name)}: checkpoint %{{x}}, %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
        told.append(f"{name} scores best, {mean[best]:.3f}, with checkpoint {checkpoints[best]} and {mean[-1]:.3f} with the last")
    figure.data[0].line.dash = "dot"
    own = np.asarray(teacher, float)
    alt = f"Accuracy against the teacher's checkpoint: the teacher itself goes from {own[0]:.3f} to {own[-1]:.3f}; {'; '.join(told)}."
    return theme.finish(figure, figure.layout.title.text, alt)


def sample_weights(visits, shares, groups, *, name: str = "λ, share of the teacher") -> go.Figure:
    """Weights of single samples each time they are visited: thin lines single samples, thick lines means of groups.

    visits : (V,) names of the visits, such as epochs   shares : (rows, V), NaN where a row was not visited
    groups : name -> (rows,) bool, such as {"flipped label": …, "teacher wrong": …, "the others": …}
    Raises ValueError when sizes disagree or a group is empty.
    """
    shares = np.asarray(shares, float)
    figure, told = go.Figure(), []
    for number, (group, members) in enumerate(groups.items()):
        members = np.asarray(members, bool)
        if members.shape != shares.shape[:1] or shares.shape[1] != len(visits):
            raise ValueError(f"shares {shares.shape} do not fit {len(visits)} visits and group {group!r} of {members.shape} rows")
        if not members.any():
            raise ValueError(f"group {group!r} has no member: leave it out")
        shade, own = theme.WORD_COLOURS[number % 8], shares[members]
        few = own[np.linspace(0, len(own) - 1, min(len(own), LINES_OF_A_GROUP)).round().astype(int)]
        broken = np.concatenate([few, np.full((len(few), 1), np.nan)], 1).ravel()  # one trace, gaps between the lines
        figure.add_scatter(
            x=[*visits, None] * len(few), y=theme.compact(broken), mode="lines", opacity=0.25, showlegend=False,
            line={"color": shade, "width": 1}, hoverinfo="skip", legendgroup=str(number),
        )  # fmt: skip
        mean = np.nanmean(own, 0)
        figure.add_scatter(
            x=list(visits), y=theme.compact(mean), mode="lines+markers", legendgroup=str(number),
            name=theme.text(f"{group} ({len(own):,})"), line={"color": shade, "width": 4},
            marker={"symbol": theme.WORD_SHAPES[number % 8], "size": 10},
            hovertemplate=f"{theme.text(group)}<br>mean %{{y:.3f}}<extra></extra>",
        )  # fmt: skip
        told.append(f"{group}: mean from {mean[0]:.2f} to {mean[-1]:.2f}")
    axes(figure, "visit of the sample (epoch)", name)
    figure.update_yaxes(range=[-0.02, 1.02])
    return theme.finish(figure, "To whom does each sample listen?", f"{name} over {len(visits)} visits. {'; '.join(told)}.")


def memorised(visits, answers, given, true) -> go.Figure:
    """What students answer to items whose label is wrong, over training: the right class, another, or the wrong label.

    visits  : (V,) names of the visits, such as epochs
    answers : method -> (rows, V) predicted classes; a menu chooses among methods
    given, true : (rows,) the wrong label and the right one
    Items are sorted by how often they were answered with their wrong label; of many, an even choice is shown.
    Raises ValueError when sizes disagree, or a label is not wrong.
    """
    given, true = np.asarray(given), np.asarray(true)
    if (same := int((given == true).sum())) or not len(given):
        raise ValueError(f"{same} of {len(given)} labels are right: pass only items whose given label is wrong, at least one")
    maps, told = {}, []
    for name, values in answers.items():
        values = np.asarray(values)
        if values.shape != (len(given), len(visits)):
            raise ValueError(f"answers of {name!r} have shape {values.shape}; wanted are ({len(given)}, {len(visits)})")
        fooled, right = values == given[:, None], values == true[:, None]
        codes = np.where(fooled, 2.0, np.where(right, 0.0, 1.0))[np.argsort(fooled.sum(1), kind="stable")]
        maps[name] = codes[np.unique(np.linspace(0, len(codes) - 1, min(len(codes), ROWS_OF_A_MAP)).round().astype(int))]
        told.append(f"{name}: {fooled[:, 0].mean():.0%} memorised at first, {fooled[:, -1].mean():.0%} at the end")
    shades = [theme.colour(part) for part in ("teacher", "blank", "student")]
    scale = [[edge / 3, shade] for place, shade in enumerate(shades) for edge in (place, place + 1)]
    figure, places = go.Figure(), list(range(len(visits)))
    for number, (name, codes) in enumerate(maps.items()):
        figure.add_heatmap(
            z=theme.compact(codes), x=places, visible=number == 0, zmin=-0.5, zmax=2.5, colorscale=scale, xgap=1,
            colorbar={"tickvals": [0, 1, 2], "ticktext": list(OUTCOMES), "title": {"text": "answers"}, "outlinewidth": 0},
            hovertemplate=f"item %{{y}}, visit %{{x}}: %{{z:.0f}} (0 right class, 1 another, 2 the wrong label)<br>{theme.text(name)}<extra></extra>",
        )  # fmt: skip
    axes(figure, "visit (epoch)", "items with a wrong label, most memorised on top", height=520)
    figure.update_xaxes(tickvals=places, ticktext=[theme.token_text(str(visit)) for visit in visits], showgrid=False)
    titles = [f"Who memorises wrong labels? {theme.text(name)}" for name in maps]
    notes = (f"{len(codes)} of {len(given):,} items",) if len(codes) < len(given) else ()
    if len(maps) > 1:
        menu = heatmaps.menu([theme.text(name) for name in maps], titles, 1, 0)
        figure.update_layout(updatemenus=[menu], margin={"t": 110 + 18 * len(notes)})
    alt = f"Items with a wrong label, one a row, over {len(visits)} visits, coloured by what the student answers. {'; '.join(told)}."
    return theme.finish(figure, titles[0], alt, notes)
