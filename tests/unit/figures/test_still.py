"""What an executed notebook shows where plotly is not: nbconvert's HTML, slides and markdown keep every figure."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as xml

import nbformat
import numpy as np
import plotly.graph_objects as go
import plotly.io as pio
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter, MarkdownExporter, SlidesExporter

import kdviz as kd
from kdviz.figures.still import Still, still
from tests.unit.figures.made import HOSTILE, make_states
from tests.unit.figures.test_contract import FIGURES, every_figure

PLOTLY = "application/vnd.plotly.v1+json"
CELLS = [
    "import numpy as np\nimport kdviz as kd\n"
    "figure = kd.figures.schedule(range(9), {'ψ': np.linspace(1, 0, 9)}, title='A schedule')\nfigure",
    "kd.figures.soft_targets([[2.0, 1.0, 0.5]], ['a', '<b>bold</b>', 'c'], names=['teacher'])",
    "import plotly.graph_objects as go\ngo.Figure(go.Scatter(y=[1, 2]))",
]


@pytest.fixture(scope="module")
def executed():
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec})
    return NotebookClient(notebook, timeout=300, kernel_name="python3").execute()


def outputs(executed):
    return [cell.outputs[0].data for cell in executed.cells]


def test_a_notebook_keeps_plotlys_figure_and_a_still(executed):
    one, other, foreign = outputs(executed)
    for data in (one, other):
        alt = data[PLOTLY]["layout"]["meta"]["alt"]
        assert data["text/plain"] == alt and html.escape(alt) in data["text/html"]
    assert set(foreign) == {PLOTLY}  # a figure that is not of kdviz stays as it is
    assert sum(len(json.dumps(data["text/html"])) for data in (one, other)) < 10_000


@pytest.mark.parametrize("exporter", [HTMLExporter, SlidesExporter, MarkdownExporter])
def test_converted_notebooks_hold_every_figure_and_its_alt_text(executed, exporter):
    page, resources = exporter().from_notebook_node(executed)
    captions = [html.unescape(caption) for caption in re.findall("<figcaption>(.*?)</figcaption>", page)]
    assert captions == [data[PLOTLY]["layout"]["meta"]["alt"] for data in outputs(executed)[:2]]
    assert page.count("<figure ") == 2 and page.count("<svg ") >= 2
    assert not resources.get("outputs")  # nothing that lies beside the page


def drawn(figure) -> list[xml.Element]:
    source = still(figure.to_dict())
    assert "\n" not in source  # an empty line would end HTML inside markdown
    return [xml.fromstring(svg) for svg in re.findall(r"<svg .*?</svg>", source)]


@every_figure
@pytest.mark.parametrize("tokens", [12, HOSTILE])
def test_every_figure_has_a_still_of_each_pair_of_axes(name, tokens):
    figure = FIGURES[name](tokens)
    shown = [trace for trace in figure.data if trace.visible in (None, True)]
    panels = drawn(figure)
    assert len(panels) == len({(trace.xaxis, trace.yaxis) for trace in shown})
    assert all(panel.findall(".//{*}image") or panel.findall(".//{*}path") for panel in panels)
    source = still(figure.to_dict())
    assert len(source) < 60_000
    assert html.escape(figure.layout.meta["alt"]) in source and "<img" not in source and "<a " not in source
    if figure.layout.xaxis.ticktext and name not in ("attention", "measured"):
        below = int(figure.layout.xaxis.showticklabels is False)  # of two panels on one axis the lower one says it
        words = [text.text for text in panels[below].findall(".//{*}text")]
        assert words[-len(figure.layout.xaxis.ticktext) :] == [html.unescape(w) for w in figure.layout.xaxis.ticktext]


def test_a_curve_goes_through_its_points():
    [panel] = drawn(kd.figures.schedule([0, 1, 2], {"ψ": [0.0, 4.0, 2.0]}, title="A schedule"))
    path = panel.find(".//{*}path").get("d")
    wide, high = (float(panel.find(".//{*}rect").get(side)) for side in ("width", "height"))
    points = np.array([point.split() for point in path[1:].split("L")], float)
    np.testing.assert_allclose(points, [[0, high], [wide / 2, 0], [wide, high / 2]], atol=0.1)


def test_bars_stand_beside_each_other_on_zero():
    figure = kd.figures.soft_targets([[2.0, 0.0], [0.0, 2.0]], ["a", "b"])
    one, other = (
        [tuple(map(float, re.findall(r"[\d.]+", bar))) for bar in path.get("d").split("M")[1:]]
        for path in drawn(figure)[0].findall(".//{*}path")
    )
    assert len({foot for _, foot, _ in [*one, *other]}) == 1
    assert one[0][2] < one[1][2] and other[0][2] > other[1][2]  # SVG counts from the top
    assert one[0][0] < other[0][0] < one[1][0] < other[1][0]


def test_a_heatmap_has_the_colours_of_its_numbers():
    from base64 import b64decode
    from io import BytesIO

    from PIL import Image

    figure = kd.figures.word_relation(make_states(tokens=5))
    source = drawn(figure)[0].find(".//{*}image").get("href")
    pixels = np.asarray(Image.open(BytesIO(b64decode(source.partition(",")[2]))))
    assert pixels.shape == (5, 5, 3)
    values = np.asarray(next(t for t in figure.data if t.visible in (None, True)).z, float)
    assert {tuple(pixel) for pixel in pixels[np.eye(5, dtype=bool)]} == {tuple(pixels[0, 0])}  # cosine 1 with itself
    brightness = pixels.astype(int).sum(-1).ravel()
    assert brightness.argmax() == 0 and brightness.argmin() == values.argmin()


def test_what_a_reader_adds_never_stops_the_figure():
    figure = kd.figures.schedule([0, 1], {"ψ": [0.0, 1.0]}, title="A schedule")
    figure.add_scatter(x=["monday", "tuesday"], y=[1, 2])
    assert figure.layout.meta["alt"].split()[0] in Still().to_mimebundle(figure.to_dict())["text/html"]
    assert Still().to_mimebundle(go.Figure().to_dict()) == {}


def test_the_renderer_of_a_reader_stays(monkeypatch):
    assert "kdviz_still" in pio.renderers
    assert "kdviz_still" not in (pio.renderers.default or "")  # here no notebook is written
