"""What was measured: a series of values of one thing, on one side of a comparison."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

__all__ = ["KAZOO", "OURS", "RAW", "Series", "in_turn"]

OURS = "ours"
KAZOO = "kazoo"
RAW = "raw"


class Series(NamedTuple):
    """Values of one kind.

    Attributes:
        part: the part of the benchmarks: ``"rows"``, ``"growth"``, ``"lookup"``, ``"whole"``.
        model: the concurrency model, in whose process it was measured.
        row: what was done.
        side: who did it: :data:`OURS`, :data:`KAZOO`, :data:`RAW` or another name.
        unit: ``"second"``, ``"byte"`` or ``"count"``.
        values: in that unit, for one operation or, where there is ``work``, for all of it.
        work: how many things were done, where that is what varies.
    """

    part: str
    model: str
    row: str
    side: str
    unit: str
    values: Sequence[float]
    work: int = 0

    @property
    def typical(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def best(self) -> float:
        """The least: what is above it is what the rest of the machine has added."""
        return min(self.values)


def in_turn(
    runs: Mapping[str, Callable[[int], float]], operations: int, rounds: int, longest: float
) -> dict[str, list[float]]:
    """Measure several sides in alternating rounds.

    Args:
        runs: each does so many operations and returns the seconds that they took.
        operations: how many each is to do in a round.
        rounds: how many rounds.
        longest: seconds that a side's turn should take; a slow one does fewer operations.

    Returns:
        For each side the seconds of one operation, once a round.
    """
    counts = {}
    for side, run in runs.items():
        trial = max(1, operations // 20)
        counts[side] = max(1, min(operations, int(longest * trial / run(trial))))
    values: dict[str, list[float]] = {side: [] for side in runs}
    sides = list(runs)
    for number in range(rounds):
        first = number % len(sides)  # so that nobody always comes after the same
        for side in sides[first:] + sides[:first]:
            values[side].append(runs[side](counts[side]) / counts[side])
    return values
