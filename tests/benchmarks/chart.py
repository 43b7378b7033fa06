"""The three figures as a chart. It can be read at 400 pixels, by day and in the dark."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from benchmarks.coroutines import AIOZK, BRIDGE
from benchmarks.figures import Figure, rounded
from benchmarks.series import KAZOO, OURS

__all__ = ["write_chart"]

# Pixels. A page of 400 pixels has this much room for a picture.
_WIDTH = 360
_BAR, _GAP, _TITLE = 17, 7, 32
_LEFT, _BARS, _MARGIN = 78, 150, 8
_PER_INCH = 96

# Points: 12 and 14 pixels.
_TEXT, _HEADING = 9, 10.5

_PAPER, _INK, _FAINT = "#ffffff", "#1f2328", "#59636e"
_COLOURS = {OURS: "#3b7dd8", KAZOO: "#8a9099", BRIDGE: "#8a9099", AIOZK: "#c9792f"}

# A viewer that does not know of the dark shows the colours as drawn. The paper is the page's own
# colour, so that text has something behind it where a page is dark and the browser is not.
_IN_THE_DARK = {_PAPER: "#131416", _INK: "#e6e8eb", _FAINT: "#a3abb5"}


def write_chart(path: Path, three: Sequence[Figure]) -> None:
    """Write an SVG with a row of bars for each figure and model, and its value at each bar."""
    height = sum(_height(figure) for figure in three) + _MARGIN
    drawing = Drawing(figsize=(_WIDTH / _PER_INCH, height / _PER_INCH), facecolor=_PAPER)
    # Everything is placed in pixels, from the upper left.
    axes = drawing.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _WIDTH), ylim=(height, 0))
    axes.axis("off")
    y = 0.0
    for figure in three:
        _draw(axes, figure, y)
        y += _height(figure)
    svg = io.StringIO()
    # The same figures give the same file, and the text in it stays text.
    with mpl.rc_context({"svg.hashsalt": "benchmarks", "svg.fonttype": "none"}):
        drawing.savefig(svg, format="svg", metadata={"Date": None})
    path.write_text(_with_dark_colours(svg.getvalue()))


def _height(figure: Figure) -> float:
    models = figure.values.values()
    return _TITLE + sum(len(sides) * _BAR + _GAP for sides in models)


def _draw(axes: Axes, figure: Figure, top: float) -> None:
    middle = top + 0.6 * _TITLE
    _write(axes, _MARGIN, middle, figure.title, _HEADING, fontweight="bold")
    _write(
        axes,
        _WIDTH - _MARGIN,
        middle,
        figure.aside,
        _TEXT,
        color=_FAINT,
        horizontalalignment="right",
    )
    longest = max(value for sides in figure.values.values() for value in sides.values())
    y = top + _TITLE
    for model, sides in figure.values.items():
        _write(axes, _MARGIN, y + len(sides) * _BAR / 2, model, _TEXT)
        for side, value in sides.items():
            length = _BARS * value / longest
            axes.barh(y + _BAR / 2, length, _BAR - 3, left=_LEFT, color=_COLOURS[side])
            label = f"{rounded(value):,} {side}"
            _write(axes, _LEFT + length + 5, y + _BAR / 2, label, _TEXT)
            y += _BAR
        y += _GAP


def _write(axes: Axes, x: float, y: float, text: str, size: float, **style: str) -> None:
    style = {"color": _INK, **style}
    axes.text(x, y, text, fontsize=size, verticalalignment="center_baseline", **style)


def _with_dark_colours(svg: str) -> str:
    """Let a drawing take other colours where the reader has chosen the dark."""
    rules = "".join(
        f'[style*="{kind}: {light}"] {{ {kind}: {dark} !important }}\n'
        for light, dark in _IN_THE_DARK.items()
        for kind in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark) {{\n{rules}}}</style>\n"
    before, end, after = svg.partition("</defs>")
    return f"{before}{style}{end}{after}"
