"""Figures of runs: how one went, and how several compare."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kdviz.figures import theme

NOT_TERMS = ("step", "epoch", "phase", "lr", "loss", "grad_norm")
MOST_POINTS = 400  # of one curve
SMALL = 20  # times smaller than another term: not to be seen on a common linear scale


def history_figure(history: pd.DataFrame, label: str) -> go.Figure:
    """Loss terms (running mean) above, dev accuracy below, over the steps; a dotted line where a phase begins."""
    if history.empty:
        raise ValueError("this run has no steps: there is nothing to plot")
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08, row_heights=[0.6, 0.4])
    terms = [name for name in history if name not in NOT_TERMS and not name.startswith("dev_")]
    span = max(1, len(history) // 50)
    heights = history[terms].abs().median()
    if terms and (history[terms].min() > 0).all() and heights.max() > SMALL * heights.min():
        figure.update_yaxes(type="log", row=1, col=1)  # or all but the largest would lie on the axis
    for number, name in enumerate(terms):
        curve = history[["step", name]].dropna()
        smooth = curve[name].rolling(span, min_periods=1).mean()
        keep = np.unique(np.linspace(0, len(curve) - 1, min(MOST_POINTS, len(curve))).astype(int))
        figure.add_scatter(
            x=curve["step"].to_numpy()[keep], y=theme.compact(smooth.to_numpy()[keep]), name=theme.text(name),
            line={"color": theme.WORD_COLOURS[number % len(theme.WORD_COLOURS)], "width": 2},
            hovertemplate="step %{x}<br>%{y:.4f}", row=1, col=1,
        )  # fmt: skip
    figure.update_yaxes(title="loss term, weighted", row=1, col=1)
    figure.update_xaxes(title="training step", row=2, col=1)
    figure.update_yaxes(title="dev accuracy", rangemode="tozero", row=2, col=1)
    told = ""
    if "dev_accuracy" in history:
        dev = history[["step", "dev_accuracy"]].dropna()
        figure.add_scatter(
            x=dev["step"].to_numpy(), y=theme.compact(dev["dev_accuracy"].to_numpy()), mode="lines+markers",
            name="dev accuracy", showlegend=False, line={"color": theme.colour("student")},
            hovertemplate="step %{x}<br>%{y:.3f}", row=2, col=1,
        )  # fmt: skip
        if len(dev) == 1:
            figure.update_yaxes(range=[0, 1], row=2, col=1)  # plotly would put a single dot between -1 and 1
        best = dev.loc[dev["dev_accuracy"].idxmax()]
        told = f" Dev accuracy is highest, {best['dev_accuracy']:.3f}, after step {int(best['step'])}."
    starts = history.groupby("phase", sort=False)["step"].min()
    for phase, step in starts.items():
        if len(starts) > 1:
            figure.add_vline(x=step, line={"dash": "dot", "color": theme.colour("quiet"), "width": 1})
            figure.add_annotation(
                x=step, y=1, yref="y domain", text=theme.text(phase), showarrow=False, xanchor="left", yanchor="top"
            )
    figure.update_layout(height=460, margin={"t": 56, "l": 64, "r": 16, "b": 48}, legend={"orientation": "v"})
    alt = f"{label}: {', '.join(terms)} over {len(history)} training steps.{told}"
    return theme.finish(figure, f"How the training of {theme.text(label)} went", alt)


def comparison_figure(table: pd.DataFrame, split: str) -> go.Figure:
    """One dot a method with its 95 % interval, best at the top. table: columns method, split, mean, low, high, runs."""
    rows = table[table["split"] == split].sort_values("mean")
    figure = go.Figure(
        go.Scatter(
            x=100 * rows["mean"],
            y=np.arange(len(rows)),
            mode="markers",
            marker={"size": 10, "color": theme.colour("student")},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": 100 * (rows["high"] - rows["mean"]),
                "arrayminus": 100 * (rows["mean"] - rows["low"]),
                "color": theme.colour("quiet"),
            },
            customdata=rows["runs"],
            hovertemplate="%{x:.1f} %<br>%{customdata} runs<extra></extra>",
        )  # fmt: skip
    )
    names = [theme.text(name) for name in rows["method"]]
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, range=[-0.6, len(rows) - 0.4], automargin=True)
    figure.update_xaxes(title=f"accuracy on {theme.text(split)}, % (mean over seeds, 95 % interval)")
    figure.update_layout(height=140 + 34 * len(rows), margin={"t": 56, "r": 16, "b": 48})
    best = rows.iloc[-1]
    alt = f"Accuracy on {split} of {len(rows)} methods; highest is {best['method']} with {100 * best['mean']:.1f} %."
    return theme.finish(figure, f"Accuracy on {theme.text(split)}: judge two methods by their paired difference", alt)
