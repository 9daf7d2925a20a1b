"""Figures of runs: how one went, and how several compare."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kdviz.figures import parts, theme

NOT_TERMS = ("step", "epoch", "phase", "lr", "loss", "grad_norm")
_PANEL, _GAP = 56, 14  # pixels
SHARES = ("accuracy", "macro_f1")  # scores that are told in percent


def history_figure(history: pd.DataFrame, label: str) -> go.Figure:
    """A small panel for each loss term (weighted, running mean), on a scale of its own, and one for the dev score.

    history : one row a training step, as `Run.history`   label : the run's
    A dotted line stands where a phase begins. ValueError for a run without steps.
    """
    if history.empty:
        raise ValueError("this run has no steps: there is nothing to plot")
    terms = [name for name in history if name not in NOT_TERMS and not name.startswith("dev_")]
    names = {name: name for name in terms}
    score = next((name for name in history if name.startswith("dev_")), None)  # the one that dev is judged by is first
    if score is not None:
        names[score] = score.replace("_", " ")
    plot = len(names) * (_PANEL + _GAP) - _GAP
    figure = make_subplots(rows=len(names), shared_xaxes=True, vertical_spacing=_GAP / plot if len(names) > 1 else 0)
    for number, (column, name) in enumerate(names.items()):
        curve, row = history[["step", column]].dropna(), {"row": number + 1, "col": 1}
        look = {"shade": theme.colour("ink"), "marks": 6} if column == score else {"number": number}
        values = curve[column]
        if column in terms:
            values = values.rolling(max(1, len(history) // 50), min_periods=1).mean()
        keep = parts.evenly(len(curve), parts.MOST_POINTS) if len(curve) else []
        points = curve["step"].to_numpy()[keep], values.to_numpy()[keep]
        parts.add_line(figure, *points, name, "step %{x}: %{y:.4f}", **look, **row)
        figure.update_yaxes(rangemode="tozero", nticks=4, title="", **row)
        place = {"yref": f"{parts.numbered('y', number)} domain", "y": 0.5, "yanchor": "middle"}
        place |= {"x": 1.01, "xref": "paper", "xanchor": "left", "showarrow": False}
        shade = {"size": theme.FONT_SIZE, "color": figure.data[-1].line.color}
        figure.add_annotation(place, text=theme.text(name), font=shade)
    if score is not None and history[score].notna().sum() == 1:
        figure.update_yaxes(range=[0, 1], row=len(names))  # plotly would put a single dot between -1 and 1
    _mark_phases(figure, history)
    figure.update_xaxes(title="training step", row=len(names))
    figure.update_layout(showlegend=False, margin={"r": 24 + 7 * max(map(len, names.values()), default=0)})
    alt = f"{label}: {', '.join(terms)} over {len(history)} training steps."
    if score is not None:
        best = history.loc[history[score].idxmax()]
        alt += f" {names[score].capitalize()} is highest, {best[score]:.3f}, after step {int(best['step'])}."
    title = f"How the training of {theme.text(label)} went, each term on its own scale"
    return theme.finish(figure, title, alt, plot=plot)


def _mark_phases(figure: go.Figure, history: pd.DataFrame) -> None:
    """A dotted line where each phase begins, its name above it where there is room before the next one."""
    starts = history.groupby("phase", sort=False)["step"].min()
    if len(starts) < 2:
        return
    ends = [*starts[1:], history["step"].max()]
    for (phase, step), end in zip(starts.items(), ends):
        figure.add_vline(x=step, line={"dash": "dot", "color": theme.colour("quiet"), "width": 1})
        if 450 * (end - step) / max(1, ends[-1]) > 7 * len(phase):  # pixels, in a narrow window
            place = {"x": step, "y": 1, "yref": "paper", "xanchor": "left", "yanchor": "bottom", "showarrow": False}
            figure.add_annotation(place, text=theme.text(phase))


def comparison_figure(table: pd.DataFrame, split: str, score: str = "accuracy") -> go.Figure:
    """One dot a method with its 95 % interval, best at the top.

    table : columns method, split, mean, low, high, runs, as `analysis.compare` makes them; of paired differences also
            baseline and verdict
    """
    rows = table[table["split"] == split].sort_values("mean")
    # shares are told in percent, a correlation or a loss as it stands
    times, unit, points, digits = (100, " %", "points of ", ".1f") if score in SHARES else (1, "", "", ".3f")
    word = theme.text(score.replace("_", " "))
    names, split, best = [theme.text(name) for name in rows["method"]], theme.text(split), rows.iloc[-1]
    bars = {"array": times * (rows["high"] - rows["mean"]), "arrayminus": times * (rows["mean"] - rows["low"])}
    bars |= {"type": "data", "symmetric": False, "color": theme.colour("quiet")}
    dots = go.Scatter(x=times * rows["mean"], y=list(range(len(rows))), error_x=bars, mode="markers")
    dots.update(marker={"size": 10, "color": theme.colour("student")}, customdata=rows["runs"])
    dots.hovertemplate = f"%{{x:{digits}}}{unit}<br>%{{customdata}} runs<extra></extra>"
    figure = go.Figure(dots)
    title = f"{word.capitalize()} on {split}: judge two methods by their paired difference"
    figure.update_xaxes(title=f"{word} on {split}{unit and ', %'} (mean over seeds, 95 % interval)")
    top = f"{times * best['mean']:{digits}}{unit}"
    alt = f"{word.capitalize()} on {split} of {len(rows)} methods; highest is {best['method']} with {top}."
    if "baseline" in rows:
        baseline = theme.text(best["baseline"])
        figure.add_vline(x=0, line={"dash": "dot", "color": theme.colour("quiet")})
        figure.data[0].update(customdata=rows[["runs", "verdict"]])
        each = f"%{{x:+{digits}}}{points and ' points'}<br>%{{customdata[0]}} seeds: %{{customdata[1]}}<extra></extra>"
        figure.data[0].hovertemplate = each
        title = f"{word.capitalize()} on {split}, seed by seed: each method minus {baseline}"
        figure.update_xaxes(title=f"{points}{word} on {split} more than {baseline} (95 % interval)")
        alt = f"{word.capitalize()} on {split} minus that of {best['baseline']}, seed by seed, of {len(rows)} methods: "
        gaps = (f"{one.method} {times * one.mean:+{digits}} ({one.verdict})" for one in rows.itertuples())
        alt += "; ".join(gaps) + "."
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, range=[-0.6, len(rows) - 0.4], automargin=True)
    return theme.finish(figure, title, alt, plot=30 + 34 * len(rows))
