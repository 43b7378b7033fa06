"""The costs of all models side by side, in the units in which the bench shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from handler_core.cli.bench.operations import ROWS
from handler_core.cli.bench.rounds import Figures

__all__ = ["Cost", "costs_of"]

# For each unit: its sign, how many make a second, and how many decimal places are shown.
_UNITS = {"ns": ("ns", 1e9, 0), "us": ("µs", 1e6, 1)}


class Cost(NamedTuple):
    """What one operation, or one object, costs on each model.

    Attributes:
        name: what the cost is of.
        unit: the sign of the unit.
        digits: how many decimal places are shown.
        of_models: the cost on each model, by its name, in that unit.
    """

    name: str
    unit: str
    digits: int
    of_models: dict[str, float]

    def shown(self, value: float) -> str:
        """Return a cost as text."""
        return f"{value:,.{self.digits}f}"


def costs_of(results: Mapping[str, Figures]) -> list[Cost]:
    """Return the best round of each row, and then the memory of a pending result."""
    costs = []
    for row in ROWS:
        unit, a_second, digits = _UNITS[row.unit]
        best = {model: min(f.seconds[row.name]) * a_second for model, f in results.items()}
        costs.append(Cost(row.name, unit, digits, best))
    pending = {model: figures.pending_bytes for model, figures in results.items()}
    return [*costs, Cost("memory of a pending result", "bytes", 0, pending)]
