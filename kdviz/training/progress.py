"""What a reader sees while a run trains: a bar and a live plot in a notebook, a bar in a terminal, lines under CI."""

from __future__ import annotations

import html
import os
import sys
import time

REFRESH = 0.5  # seconds between two paintings of the notebook: at most two a second
MODES = ("auto", "notebook", "terminal", "plain", "off")
SIZE = (640, 160)  # of the live plot, pixels
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")  # Okabe and Ito
NOT_TERMS = ("step", "epoch", "phase", "lr", "grad_norm", "loss")


def choose(mode: str) -> str:
    """Resolve "auto": notebook inside a kernel, plain where nobody watches (CI set, or no terminal)."""
    if mode not in MODES:
        raise ValueError(f"progress={mode!r}: choose among {', '.join(MODES)}")
    if mode != "auto":
        return mode
    if "ipykernel" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        return "notebook"
    return "terminal" if sys.stderr.isatty() and not os.environ.get("CI") else "plain"


class Progress:
    """Told of steps and epochs by the loop. `mode` is one of `MODES`."""

    def __init__(self, mode: str, title: str):
        self.mode, self.title = choose(mode), title
        self._bar = self._handle = None
        self._painted, self._note = 0.0, ""

    def say(self, text: str) -> None:
        """One line that stays."""
        if self._bar is not None:
            self._bar.write(text)
        elif self.mode != "off":
            print(text, flush=True)

    def step(self, at, history) -> None:
        if self.mode == "terminal":
            if self._bar is None:
                from tqdm import tqdm

                self._bar = tqdm(total=at.steps, initial=at.step, desc=self.title, unit="step", mininterval=REFRESH)
            self._bar.set_postfix_str(f"{at.phase} loss {history.latest('loss'):.3f} {self._note}", refresh=False)
            self._bar.update()
        elif self.mode == "notebook" and time.monotonic() - self._painted >= REFRESH:
            self._paint(at, history)

    def epoch(self, at, scores: dict[str, float], history) -> None:
        name, score = next(iter(scores.items()))  # the primary one comes first
        self._note = f"dev {name} {score:.3f}"
        if self.mode == "plain":
            loss = history.latest("loss")
            print(
                f"{self.title}: {at.phase} epoch {at.epoch + 1}/{at.epochs}, step {at.step + 1}/{at.steps}, "
                f"loss {loss:.4f}, {self._note}",
                flush=True,
            )

    def close(self, summary: str, figure=None) -> None:
        """The last word; in a notebook also the figure that stays, interactive, in the executed file."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self.mode != "notebook":
            return self.say(summary)
        from IPython.display import display

        self._show(f"<p>{html.escape(summary)}</p>")
        if figure is not None:
            display(figure)
        return None

    def _paint(self, at, history) -> None:
        text = f"{self.title} · {at.phase} · step {at.step + 1:,} of {at.steps:,} · {self._note}"
        size = f'max="{at.steps}" value="{at.step + 1}"'
        bar = f'<progress {size} aria-label="training steps" style="width:100%"></progress>'
        self._show(f"<div>{html.escape(text)}<br>{bar}{sketch(history.shown())}</div>")
        self._painted = time.monotonic()

    def _show(self, view: str) -> None:
        """One HTML output, updated in place: it draws within milliseconds and needs neither a widget nor a script."""
        from IPython.display import HTML, display

        if self._handle is None:
            self._handle = display(HTML(view), display_id=True)
        else:
            self._handle.update(HTML(view))


def sketch(rows: list[dict]) -> str:
    """Inline SVG of the loss terms over the steps, each scaled to its own largest value."""
    names = [name for name in rows[-1] if name not in NOT_TERMS and not name.startswith("dev_")] if rows else []
    width, height = SIZE
    lines, legend = [], []
    for number, name in enumerate(names[: len(COLOURS)]):
        points = [(row["step"], row[name]) for row in rows if name in row]
        first, last, top = points[0][0], points[-1][0], max(abs(y) for _, y in points) or 1.0
        shown = points[:: max(1, len(points) // width)]
        place = (
            f"{(x - first) / max(1, last - first) * width:.0f},{height - abs(y) / top * (height - 4) - 2:.0f}"
            for x, y in shown
        )
        colour = COLOURS[number]
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{" ".join(place)}"/>')
        legend.append(f'<span style="color:{colour}">■</span> {html.escape(name)} {points[-1][1]:.3f}')
    alt = "loss terms over the training steps, each scaled to its largest value"
    return (
        f'<svg role="img" aria-label="{alt}" viewBox="0 0 {width} {height}" width="100%" height="{height}" '
        f'preserveAspectRatio="none">{"".join(lines)}</svg><br>{" &nbsp; ".join(legend)}'
    )
