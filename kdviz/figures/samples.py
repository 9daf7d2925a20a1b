"""Scores with their intervals over a setting, and the weights of single samples over training."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from scipy import stats

from kdviz.figures import theme
from kdviz.figures.schedules import axes

LINES_OF_A_GROUP = 25  # thin lines of single samples: more hide each other


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
