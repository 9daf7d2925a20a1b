"""The frame of every explorer: labelled controls, a place for messages, and a picture that never goes blank."""

from __future__ import annotations

import html
from pathlib import Path

import anywidget
import ipywidgets as widgets
import plotly.graph_objects as go
import traitlets

from kdviz.figures import theme
from kdviz.figures.saving import keyboard
from kdviz.figures.still import Still

_HERE = Path(__file__).parent
PLOTLY_MIME = "application/vnd.plotly.v1+json"


def mimebundle(figure: go.Figure) -> dict:
    """A figure as notebooks store it: drawn by the viewer's own plotly, no script inside; its alt text for the rest."""
    content = {**figure.to_dict(), "config": {"responsive": True, "displaylogo": False}}
    return {PLOTLY_MIME: content, "text/plain": figure.layout.meta["alt"]}


class Picture(anywidget.AnyWidget):
    """One plotly drawing that is redrawn in place by the plotly that JupyterLab's extension brings: no script of
    plotly is sent, and a new figure costs one drawing (an Output widget costs three, for its stored image).

    figure : what `mimebundle` gives, as JSON
    """

    _esm = keyboard() + "".join((_HERE / name).read_text(encoding="utf-8") for name in ("borrow.js", "picture.js"))
    figure = traitlets.Dict().tag(sync=True)


class Explorer(widgets.VBox):
    """Controls above a figure. A change of a control draws a new figure; an error is told and the old figure stays.

    The figure is a plain one: its own sliders and menus run in the browser. Where widgets cannot run (a notebook
    opened untrusted) the same output shows the figure it had when the cell was run; where the page has no plotly of
    its own to lend (an editor that is no JupyterLab) an Output widget takes the picture's place.

    rows : the controls, row by row. A subclass says in `draw` what their present values look like.
    """

    def __init__(self, rows: list[list[widgets.Widget]]):
        self.figure: go.Figure | None = None
        self.message = widgets.HTML()
        self._picture = Picture(layout=widgets.Layout(min_height="420px", overflow="auto"))
        self._picture.on_msg(self._answered)
        self._drawing = False
        for control in (control for row in rows for control in row):
            control.style.description_width = "initial"
            control.observe(self._changed, names="value")
        wrap = widgets.Layout(flex_flow="row wrap")
        super().__init__([*(widgets.HBox(row, layout=wrap) for row in rows), self.message, self._picture])
        self._changed()

    def draw(self) -> go.Figure:
        """The figure for the controls' present values; ValueError when they make no sense. May set controls itself."""
        raise TypeError(f"{type(self).__name__} does not say what to draw")

    def clicked(self, panel: int, word: int) -> None:
        """A reader clicked a word of the axes of a panel, or a cell in its row; most explorers have no use for it."""

    def still(self) -> go.Figure:
        """The figure that stands where widgets cannot run, such as in a saved notebook or a book."""
        return self.figure

    def _changed(self, _change=None) -> None:
        if self._drawing:  # a control set by `draw`, not by a reader
            return
        self._drawing = True
        try:
            self.figure = self.draw()
        except ValueError as error:
            words = html.escape(theme.shortened(theme.visible(str(error).rstrip(".")), 400))
            stays = "" if self.figure is None else " The last picture stays."
            look = 'role="alert" style="color:var(--jp-error-color0,#8b0000)"'
            self.message.value = f"<div {look}>{words}.{stays}</div>"
        else:
            self.message.value = ""
            self._show(mimebundle(self.figure))
        finally:
            self._drawing = False

    def _show(self, bundle: dict) -> None:
        if isinstance(self._picture, Picture):
            self._picture.figure = bundle[PLOTLY_MIME]
        else:
            # Set at once rather than cleared and written: no blank moment in between, and no print is swallowed.
            self._picture.outputs = ({"output_type": "display_data", "data": bundle, "metadata": {}},)

    def _answered(self, _picture, content: dict, _buffers) -> None:
        """The page says that it has no plotly to lend, or which word of which panel was clicked."""
        if "word" in content:
            self.clicked(content["panel"], content["word"])
        elif content == {"plotly": "missing"}:
            self._picture = widgets.Output(layout=self._picture.layout)
            self._show(mimebundle(self.figure))
            self.children = (*self.children[:-1], self._picture)

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is not None and self.figure is not None:
            figure = self.still()
            bundle |= mimebundle(figure) | Still().to_mimebundle(figure.to_dict())
        return bundle
