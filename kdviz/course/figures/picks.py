"""Which altered copies of a text Glitter trained on, and when: lesson 14."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from kdviz.figures import parts, theme

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
    total = counts.sum(1)
    if counts.shape[1:] != operations.shape:
        raise ValueError(f"counts of {counts.shape[1]} copies, but {len(operations)} operations: pass one a copy")
    if not (total > 0).all():
        raise ValueError(f"nothing was picked at step {steps[int(total.argmin())]}: these are no counts of picks")
    figure, said = go.Figure(), []
    for number, name in enumerate(dict.fromkeys(operations.tolist())):
        members = operations == name
        share, even = counts[:, members].sum(1) / total, members.mean()
        label = f"{name} ({members.sum()} of {len(members)} copies)"
        parts.add_line(figure, steps, share, label, "step %{x}: %{y:.2f}", number=number, marks=8)
        figure.add_hline(y=even, line={"dash": "dot", "color": theme.WORD_COLOURS[number % 8]})
        ends = f"{name} from {share[0]:.2f} to {share[-1]:.2f}"
        said.append(f"{ends}, {share.mean():.2f} on average ({even:.2f} by chance)")
    parts.axes(figure, "training step", "share of the picked copies")
    figure.update_yaxes(range=[-0.02, 1.02])
    alt = f"Share of each operation among the picked copies: {'; '.join(said)}."
    return theme.finish(figure, "What kind of copy is picked?", alt)


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
    figure, columns = go.Figure(), list(range(len(steps)))
    figure.add_heatmap(z=theme.compact(badness.T), zmin=0, colorscale=theme.SEQUENTIAL, xgap=1, ygap=1)
    figure.update_traces(colorbar=parts.colour_bar("badness"))
    figure.update_traces(hovertemplate="copy %{y}, column %{x}: %{z:.3f}<br>badness<extra></extra>")
    cross = {"symbol": "x", "size": 11, "color": theme.colour("student")}
    cross["line"] = {"width": 1.5, "color": theme.colour("ground")}
    x, y = np.repeat(columns, k).tolist(), worst.ravel().tolist()
    figure.add_scatter(x=x, y=y, mode="markers", name="picked", hoverinfo="skip", marker=cross)
    shown = parts.evenly(len(steps), 10).tolist()
    parts.axes(figure, "training step", "copies of the text")
    figure.update_xaxes(parts.word_axis([int(steps[place]) for place in shown]), tickvals=shown)
    figure.update_yaxes(parts.word_axis(copies, LONGEST_COPY), autorange="reversed", automargin=True)
    figure.update_layout(showlegend=False)
    often = np.bincount(worst.ravel(), minlength=len(copies))
    first = int(often.argmax())
    alt = (
        f"Badness of {len(copies)} copies of one text at {len(steps)} moments of training, from {badness.min():.2f} to "
        f"{badness.max():.2f}, {k} picked at each. Picked most often, {often[first]} times: "
        f"{theme.shortened(copies[first], LONGEST_COPY)}; {int((often > 0).sum())} of {len(copies)} copies were picked "
        "at least once."
    )
    note = "from: " + theme.shortened(theme.visible(text).replace("\u00a0", " "), 100)
    return theme.finish(figure, "Which copies are hardest, and when?", alt, (note,), plot=34 * len(copies))
