"""The ratios as a chart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.bounds import Cell
from benchmarks.sides import MODELS

__all__ = ["write_chart"]

_COLOURS = dict(zip(MODELS, ("#4269d0", "#3ca951", "#efb118"), strict=True))
_BAR = 0.26
_PARTS = ("rows", "whole")


def write_chart(path: Path, cells: Sequence[Cell]) -> None:
    """Write an SVG of our distance from kazoo's handlers and from the floor."""
    chosen = [cell for cell in cells if cell.part in _PARTS]
    rows = list(dict.fromkeys(cell.row for cell in chosen))
    figure = Figure(figsize=(11, 0.62 * len(rows) + 1.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _draw(left, chosen, rows, [cell.below_kazoo for cell in chosen])
    left.set_title("kazoo's handler / ours (more is better)")
    left.legend(frameon=False, loc="lower right")
    _draw(right, chosen, rows, [cell.to_raw for cell in chosen])
    right.set_title("ours / the raw primitive (less is better)")
    # The same figures give the same file, and the text in it stays text.
    with mpl.rc_context({"svg.hashsalt": "benchmarks", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


def _draw(
    axes: Axes, cells: Sequence[Cell], rows: Sequence[str], ratios: Sequence[float | None]
) -> None:
    for number, (model, colour) in enumerate(_COLOURS.items()):
        bars = [
            (rows.index(cell.row) + (number - 1) * _BAR, ratio)
            for cell, ratio in zip(cells, ratios, strict=True)
            if cell.model == model and ratio is not None
        ]
        # A bar begins at 1, where both are equal.
        drawn = axes.barh(
            [y for y, _ in bars], [x - 1 for _, x in bars], _BAR, left=1, color=colour
        )
        drawn.set_label(model)
        axes.bar_label(drawn, [f"{x:.1f}" for _, x in bars], padding=2, fontsize=7)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), rows)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.margins(x=0.12)
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.spines[["top", "right"]].set_visible(False)
