"""The three figures that a user reads first: requests, callbacks, and memory, by model and side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks import coroutines, rows, whole
from benchmarks.client_rows import NATIVE, THREADS
from benchmarks.coroutines import AIOZK, BRIDGE
from benchmarks.series import KAZOO, OURS
from benchmarks.verdicts import Cell

__all__ = ["RIVALS", "Figure", "figures", "rounded"]

#: The other sides that do the whole job of ours.
RIVALS = (KAZOO, BRIDGE, AIOZK, THREADS, NATIVE)


class Figure(NamedTuple):
    """One of the three.

    Attributes:
        title: what it counts.
        aside: what to know about it.
        rate: whether it is a number a second, of which more is better. Otherwise it is a number of
            bytes, of which less is better.
        values: by model and side.
    """

    title: str
    aside: str
    rate: bool
    values: dict[str, dict[str, float]]


def figures(cells: Sequence[Cell]) -> list[Figure]:
    """Return those of the three figures that were measured."""
    requests = (whole.GETS_AT_ONCE, coroutines.AT_ONCE)
    three = (
        Figure(
            "Requests a second",
            "5,000 in flight; more is better",
            True,
            _values(cells, requests, rate=True),
        ),
        Figure(
            "Callbacks a second",
            "more is better",
            True,
            _values(cells, (rows.DISPATCH,), rate=True),
        ),
        Figure(
            "Bytes of a pending result",
            "less is better",
            False,
            _values(cells, (rows.MEMORY,), rate=False),
        ),
    )
    return [figure for figure in three if figure.values]


def rounded(value: float) -> int:
    """Return a positive value with three digits that count."""
    return int(round(value, 2 - math.floor(math.log10(value))))


def _values(
    cells: Sequence[Cell], chosen: Sequence[str], *, rate: bool
) -> dict[str, dict[str, float]]:
    return {
        cell.model: {
            side: 1 / cell.sides[side] if rate else cell.sides[side]
            for side in (OURS, *RIVALS)
            if side in cell.sides
        }
        for cell in cells
        if cell.row in chosen
    }
