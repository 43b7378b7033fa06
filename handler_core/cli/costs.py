"""The figures of all models side by side, in the units in which they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from handler_core.cli.micro import ROWS
from handler_core.cli.rounds import Figures

__all__ = ["Cost", "costs_of"]

# The sign of a unit, how many make a second, and how many digits of it are worth showing.
_UNITS = {"ns": ("ns", 1e9, 0), "us": ("µs", 1e6, 1)}


class Cost(NamedTuple):
    """What one thing costs on each model.

    Attributes:
        name: what.
        unit: the sign of the unit.
        digits: how many to show behind the point.
        of_models: by the name of a model, the cost in that unit.
    """

    name: str
    unit: str
    digits: int
    of_models: dict[str, float]

    def shown(self, value: float) -> str:
        """Return a cost as a number to read."""
        return f"{value:,.{self.digits}f}"


def costs_of(results: Mapping[str, Figures]) -> list[Cost]:
    """Return the rows: the best round of each, and the memory of a pending result."""
    costs = []
    for row in ROWS:
        unit, a_second, digits = _UNITS[row.unit]
        best = {model: min(f.seconds[row.name]) * a_second for model, f in results.items()}
        costs.append(Cost(row.name, unit, digits, best))
    pending = {model: figures.pending_bytes for model, figures in results.items()}
    return [*costs, Cost("memory of a pending result", "bytes", 0, pending)]
