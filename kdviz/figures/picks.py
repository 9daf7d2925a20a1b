"""Which altered copies of a text Glitter trained on, and when."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import theme
from kdviz.figures.schedules import axes

LONGEST_COPY = 60  # characters of a copy that fit beside a map


def picked_share(frames: list, operations) -> go.Figure:
    """Of the picked copies, the share that each operation made, over training; dotted, the share by chance.

    frames     : [(step, (K,) counts of picks of each place of the pool), …], as run.records["picked"]
    operations : (K,) the operation behind each place of the pool, such as made["operation"][:K]
    Raises ValueError when there are no counts, when a step picked nothing, or sizes disagree.
    """
    if not frames:
        raise ValueError('no counts: pass run.records["picked"] of a run of Glitter')
    steps, operations = [int(step) for step, _ in frames], np.asarray(operations)
    counts = np.stack([np.asarray(value, float) for _, value in frames])
    if counts.shape[1:] != operations.shape:
        raise ValueError(f"counts of {counts.shape[1]} copies, but {len(operations)} operations: pass one for each copy")
    if not (counts.sum(1) > 0).all():
        raise ValueError(f"nothing was picked at step {steps[int(counts.sum(1).argmin())]}: these are no counts of picks")
    figure, told = go.Figure(), []
    for number, name in enumerate(dict.fromkeys(operations.tolist())):
        members, shade = operations == name, theme.WORD_COLOURS[number % 8]
        share, even = counts[:, members].sum(1) / counts.sum(1), members.mean()
        figure.add_scatter(
            x=steps, y=theme.compact(share), mode="lines+markers",
            name=theme.text(f"{name} ({members.sum()} of {len(members)} copies)"),
            line={"color": shade, "width": 2}, marker={"symbol": theme.WORD_SHAPES[number % 8], "size": 8},
            hovertemplate=f"step %{{x}}: %{{y:.2f}}<br>{theme.text(name)}<extra></extra>",
        )  # fmt: skip
        figure.add_hline(y=even, line={"dash": "dot", "color": shade})
        told.append(f"{name} from {share[0]:.2f} to {share[-1]:.2f}, {share.mean():.2f} on average ({even:.2f} by chance)")
    axes(figure, "training step", "share of the picked copies")
    figure.update_yaxes(range=[-0.02, 1.02])
    return theme.finish(figure, "What kind of copy is picked?", f"Share of each operation among the picked copies: {'; '.join(told)}.")


def picked_copies(text: str, copies, steps, badness, k: int) -> go.Figure:
    """How far the student is off on each copy of one text, over training; a cross on the k that are picked.

    copies : (K,) texts of the pool   steps : (V,)   badness : (V, K), larger is worse   k : picked at each step
    Raises ValueError when sizes disagree.
    """
    badness = np.asarray(badness, float)
    if badness.shape != (len(steps), len(copies)) or not 1 <= k <= len(copies):
        wanted = f"({len(steps)}, {len(copies)}) and k in 1 … {len(copies)}"
        raise ValueError(f"badness has shape {badness.shape}, k={k}; wanted are {wanted}")
    worst = np.argsort(-badness, axis=1, kind="stable")[:, :k]
    names = [theme.token_text(copy, LONGEST_COPY) for copy in copies]
    figure, columns = go.Figure(), list(range(len(steps)))
    figure.add_heatmap(
        z=theme.compact(badness.T), zmin=0, colorscale=theme.sequential(), xgap=1, ygap=1,
        colorbar={"title": {"text": "badness"}, "outlinewidth": 0},
        hovertemplate="copy %{y}, column %{x}: %{z:.3f}<br>badness<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        x=np.repeat(columns, k).tolist(), y=worst.ravel().tolist(), mode="markers", name="picked", hoverinfo="skip",
        marker={"symbol": "x", "size": 11, "color": theme.colour("student"),
                "line": {"width": 1.5, "color": theme.colour("ground")}},
    )  # fmt: skip
    shown = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), 10)).round().astype(int)).tolist()
    axes(figure, "training step", "copies of the text", height=190 + 34 * len(copies))
    plain = {"showgrid": False, "zeroline": False}
    figure.update_xaxes(tickvals=shown, ticktext=[f"{int(steps[place])}" for place in shown], **plain)
    figure.update_yaxes(tickvals=list(range(len(copies))), ticktext=names, autorange="reversed", automargin=True, **plain)
    figure.update_layout(showlegend=False)
    often = np.bincount(worst.ravel(), minlength=len(copies))
    first = int(often.argmax())
    alt = (f"Badness of {len(copies)} copies of one text at {len(steps)} moments of training, from {badness.min():.2f} to {badness.max():.2f}, "
           f"{k} picked at each. Picked most often, {often[first]} times: {theme.shortened(copies[first], LONGEST_COPY)}; "
           f"{int((often > 0).sum())} of {len(copies)} copies were picked at least once.")  # fmt: skip
    note = "from: " + theme.shortened(theme.visible(text).replace("\u00a0", " "), 100)
    return theme.finish(figure, "Which copies are hardest, and when?", alt, (note,))
