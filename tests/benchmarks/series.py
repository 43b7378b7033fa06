"""The measured values: each series has the values of one side of a comparison."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

__all__ = ["KAZOO", "OURS", "RAW", "Series", "Turns"]

OURS = "ours"
KAZOO = "kazoo"
RAW = "raw"


class Series(NamedTuple):
    """Values of one kind.

    Attributes:
        part: the part of the benchmarks: ``"rows"``, ``"growth"``, ``"lookup"``, ``"whole"``,
            ``"coroutines"``, ``"clients"``.
        model: the concurrency model, in whose process it was measured.
        row: what was done.
        side: who did it: :data:`OURS`, :data:`KAZOO`, :data:`RAW` or another name.
        unit: ``"second"``, ``"byte"`` or ``"count"``.
        values: in that unit, for one operation or, where there is ``work``, for all of it.
        work: how many things were done, where that is what varies.
        pure: whether the process ran the Python source of handler-core, though a compiled build may
            be there. The other sides were measured again in that process.
    """

    part: str
    model: str
    row: str
    side: str
    unit: str
    values: Sequence[float]
    work: int = 0
    pure: bool = False

    @property
    def typical(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def best(self) -> float:
        """The least value. The rest of the machine has added whatever is above it."""
        return min(self.values)


class Turns:
    """Several sides of one row, which are measured in turn.

    Args:
        runs: each does the given number of operations and returns the seconds that they took.
        operations: how many operations each does in its turn.
        longest: seconds that a turn should take; a slow side does fewer operations.
    """

    def __init__(
        self, runs: Mapping[str, Callable[[int], float]], operations: int, longest: float
    ) -> None:
        #: The seconds of one operation, by side, once a round.
        self.values: dict[str, list[float]] = {side: [] for side in runs}
        self._runs = runs
        self._counts = {}
        for side, run in runs.items():
            trial = max(1, operations // 20)
            self._counts[side] = max(1, min(operations, int(longest * trial / run(trial))))
        self._order = deque(runs)

    def take_one_each(self) -> None:
        """Measure each side once."""
        for side in self._order:
            count = self._counts[side]
            self.values[side].append(self._runs[side](count) / count)
        self._order.rotate(-1)  # so no side always follows the same one
