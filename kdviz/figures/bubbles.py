"""What models know against what they cost: a bubble a model, its area the size on disk."""

from __future__ import annotations

import plotly.graph_objects as go

from kdviz.figures import parts, theme

LARGEST = 46  # pixels across of the largest model


def measured(table) -> go.Figure:
    """Accuracy, or another kind's score, with its interval against milliseconds a text; bubbles as large as the files.

    table : what ``kd.measure(models, texts, task)`` gives. ValueError when it has no score.
    """
    scored = next((name.removesuffix("_low") for name in table if name.endswith("_low")), None)
    if scored is None:
        raise ValueError("these models have no accuracy: pass the task, kd.measure(models, texts, task)")
    figure, said, look = go.Figure(), [], {"opacity": 0.75, "line": {"width": 0}}
    for number, (model, row) in enumerate(table.sort_values("ms_1").iterrows()):
        name, size = theme.token_text(str(model), 40), f"{row['megabytes']:,.3g} MB"
        across = max(8, LARGEST * (row["megabytes"] / table["megabytes"].max()) ** 0.5)
        low, middle, high = (row[f"{scored}{end}"] for end in ("_low", "", "_high"))
        bar = {"array": [high - middle], "arrayminus": [middle - low]}
        time = f"%{{x:.3g}} ms a text, quartiles {row['ms_1_spread']:.2g} ms apart"
        figure.add_scatter(
            x=[row["ms_1"]],
            y=[middle],
            error_y=bar | {"thickness": 1.2, "color": theme.colour("quiet")},
            mode="markers",
            marker=look | {"size": across, "color": theme.shade(str(model), number + 2)},
            name=f"{name}, {size}",
            hovertemplate=f"{name}<br>{scored} %{{y:.3f}}<br>{time}<br>{size}<extra></extra>",
        )
        said.append(f"{model} {middle:.3f} in {row['ms_1']:.3g} ms with {size}")
    parts.axes(figure, "milliseconds a text, one at a time", f"{scored} on test")
    wide = table["ms_1"].max() > 100 * table["ms_1"].min()  # then names of more ticks would stand on each other
    ticks = [digit * 10.0**power for power in range(-3, 6) for digit in ((1,) if wide else (1, 2, 5))]
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{tick:,.10g}" for tick in ticks])
    figure.update_layout(legend={"orientation": "v", "x": 1.02, "y": 1, "yanchor": "top", "itemsizing": "constant"})
    alt = f"{scored.capitalize()}, time and size of {len(table)} models: {'; '.join(said)}."
    return theme.finish(figure, "What models know, and what they cost", alt)
