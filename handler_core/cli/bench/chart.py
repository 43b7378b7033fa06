"""The figures as a chart: a group of bars for each row, with a bar for each model."""

from __future__ import annotations

import io
from collections.abc import Mapping

import matplotlib
from matplotlib.figure import Figure

from handler_core.cli.bench.costs import costs_of
from handler_core.cli.bench.rounds import Figures

__all__ = ["svg_chart"]

# Inches.
_WIDTH = 9.0
_BAR = 0.22
_AROUND = 1.3

# The bars fill this part of the space of a group. The rest is the gap to the next group.
_FILLED = 0.8


def svg_chart(results: Mapping[str, Figures]) -> str:
    """Return an SVG image.

    Costs of nanoseconds and of milliseconds do not fit on one scale. So the length of a bar is the
    cost as a multiple of the best model's cost in that row. A label on the bar shows the cost.

    Args:
        results: the figures of each model. There is at least one model.
    """
    costs = costs_of(results)
    thickness = _FILLED / len(results)
    # These settings keep text as text, take names literally, and make the same bytes from the same
    # figures.
    with matplotlib.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "handler-core",
            "text.parse_math": False,
            "font.size": 9.0,
        }
    ):
        height = _AROUND + _BAR * len(costs) * len(results) / _FILLED
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        axes = figure.subplots()
        for index, model in enumerate(results):
            offset = (index - (len(results) - 1) / 2) * thickness
            bars = axes.barh(
                [number + offset for number in range(len(costs))],
                [cost.of_models[model] / min(cost.of_models.values()) for cost in costs],
                thickness,
                label=model,
            )
            labels = [f"{cost.shown(cost.of_models[model])} {cost.unit}" for cost in costs]
            axes.bar_label(bars, labels, padding=3, fontsize=8)
        axes.set_yticks(range(len(costs)), [cost.name for cost in costs])
        axes.invert_yaxis()
        axes.margins(x=0.12, y=0.01)
        axes.set_xlim(left=0)
        axes.set_xlabel("cost of one operation, as a multiple of the best model's")
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside upper center", ncols=len(results), frameon=False)
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
