"""The bound of each cell, and the verdict whether the cell is inside it.

Some bounds are a time or a size. A time says little on a machine of another speed. So such a bound
also has what the raw primitive and kazoo's handler took on the machine where it was set. Each cell
shows its own ratios beside the ratios of its bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from benchmarks import coroutines, lookup, rows, whole
from benchmarks.series import KAZOO, OURS, RAW, Series

__all__ = ["BOUNDS", "GROWTH", "Bound", "Cell", "Growth", "cells", "growths"]


class Bound(NamedTuple):
    """What ours may cost. At most one of the first three attributes is given.

    Attributes:
        at_most: the most that ours may cost, in the unit of the row: seconds, bytes or a count.
        times_raw: ours may cost this many times the raw primitive, measured beside it.
        times_better: by other side, measured beside ours: how many times more it must cost.
        raw: what the raw primitive took on the machine where the bound was set.
        kazoo: what kazoo's handler took on that machine.
    """

    at_most: float | None = None
    times_raw: float | None = None
    times_better: Mapping[str, float] = MappingProxyType({})
    raw: float | None = None
    kazoo: float | None = None

    @property
    def to_raw(self) -> float | None:
        """How many times the raw primitive the bound is."""
        if self.at_most is not None and self.raw is not None:
            return self.at_most / self.raw
        return self.times_raw

    @property
    def below_kazoo(self) -> float | None:
        """How many times the bound kazoo's handler took, on the machine where the bound was set."""
        if self.kazoo is None:
            return self.times_better.get(KAZOO)
        if self.at_most is not None:
            return self.kazoo / self.at_most
        if self.times_raw is not None and self.raw is not None:
            return self.kazoo / (self.times_raw * self.raw)
        return self.times_better.get(KAZOO)


_NS = 1e-9
_US = 1e-6
_MODELS = ("threading", "gevent", "eventlet")


def _of_each(row: str, *bounds: Bound) -> dict[tuple[str, str], Bound]:
    return {(row, model): bound for model, bound in zip(_MODELS, bounds, strict=True)}


def _selects() -> Iterator[tuple[tuple[str, str], Bound]]:
    """Yield the bounds of ``select``. Its times are in microseconds, where they were set."""
    raw = (4.4, 30, 342)
    kazoo = {
        "threading": (24, 776, 10_058),
        "gevent": (69, 999, 9_429),
        "eventlet": (67, 1_044, 18_440),
    }
    for model, times in kazoo.items():
        for row, of_raw, of_kazoo in zip(rows.SELECTS, raw, times, strict=True):
            yield (row, model), Bound(times_raw=1.5, raw=of_raw * _US, kazoo=of_kazoo * _US)


#: The bound of each row and model.
BOUNDS: dict[tuple[str, str], Bound] = {
    **_of_each(
        rows.CREATE,
        Bound(420 * _NS, raw=330 * _NS, kazoo=3_800 * _NS),
        Bound(420 * _NS, raw=330 * _NS, kazoo=770 * _NS),
        Bound(420 * _NS, raw=330 * _NS, kazoo=7_300 * _NS),
    ),
    **_of_each(
        rows.MEMORY,
        Bound(112, raw=80, kazoo=1_545),
        Bound(112, raw=80, kazoo=169),
        Bound(112, raw=80, kazoo=2_353),
    ),
    **_of_each(
        rows.DISPATCH,
        Bound(500 * _NS, raw=195 * _NS, kazoo=9_300 * _NS),
        Bound(700 * _NS, kazoo=2_200 * _NS),
        Bound(1_500 * _NS, kazoo=28_800 * _NS),
    ),
    **_of_each(
        rows.LINK,
        Bound(1_400 * _NS, kazoo=28_500 * _NS),
        Bound(1_400 * _NS, kazoo=3_400 * _NS),
        Bound(2_500 * _NS, kazoo=42_800 * _NS),
    ),
    **dict(_selects()),
    (rows.HAND_OVER, "threading"): Bound(times_raw=1.15, raw=19_500 * _NS, kazoo=34_600 * _NS),
    **_of_each(
        whole.GETS_AT_ONCE,
        Bound(times_better={KAZOO: 2.5}),
        Bound(times_better={KAZOO: 3}),
        Bound(times_better={KAZOO: 5}),
    ),
    **_of_each(
        whole.SETS_AT_ONCE,
        Bound(times_better={KAZOO: 2.5}),
        Bound(times_better={KAZOO: 3}),
        Bound(times_better={KAZOO: 5}),
    ),
    **_of_each(whole.GETS_ONE_BY_ONE, *[Bound(times_better={KAZOO: 1.4})] * 3),
    **_of_each(whole.SETS_ONE_BY_ONE, *[Bound(times_better={KAZOO: 1.4})] * 3),
    (whole.LATE_TYPICALLY, "threading"): Bound(times_better={KAZOO: 0.33}),
    (whole.LATE_WORST, "threading"): Bound(5_000 * _US),
    (coroutines.AT_ONCE, coroutines.MODEL): Bound(
        times_better={coroutines.BRIDGE: 4, coroutines.AIOZK: 1.7}
    ),
    (coroutines.ONE_BY_ONE, coroutines.MODEL): Bound(
        times_better={coroutines.BRIDGE: 1.5, coroutines.AIOZK: 1}
    ),
    (coroutines.TURN, coroutines.MODEL): Bound(5_000 * _US),
    (lookup.FIRST, "threading"): Bound(times_raw=1.2),
    (lookup.FIRST_ALONE, "threading"): Bound(times_raw=1.2),
    **_of_each(lookup.SECOND, *[Bound(30 * _US)] * 3),
    **_of_each(lookup.THREADS, *[Bound(0)] * 3),
}


class Cell(NamedTuple):
    """One row on one model, and its verdict.

    Attributes:
        sides: what each side took, ours first.
        inside: whether ours is inside its bound; None if it has no bound.
    """

    part: str
    row: str
    model: str
    unit: str
    sides: dict[str, float]
    bound: Bound
    inside: bool | None

    @property
    def to_raw(self) -> float | None:
        """How many times as long as the raw primitive ours took."""
        raw = self.sides.get(RAW)
        return None if not raw else self.sides[OURS] / raw

    @property
    def below_kazoo(self) -> float | None:
        """How many times as long as ours kazoo's handler took."""
        kazoo = self.sides.get(KAZOO)
        return None if kazoo is None or not self.sides[OURS] else kazoo / self.sides[OURS]


def cells(measured: Sequence[Series]) -> list[Cell]:
    """Return the cells in the order of measuring. Series with several sizes are in no cell."""
    found: dict[tuple[str, str, str, str], dict[str, float]] = {}
    for series in measured:
        if not series.work:
            key = series.part, series.row, series.model, series.unit
            found.setdefault(key, {})[series.side] = series.typical
    judged = []
    for (part, row, model, unit), sides in found.items():
        bound = BOUNDS.get((row, model), Bound())
        cell = Cell(part, row, model, unit, sides, bound, None)
        judged.append(cell._replace(inside=_is_inside(cell)))
    return judged


def _is_inside(cell: Cell) -> bool | None:
    bound = cell.bound
    if bound.at_most is not None:
        return cell.sides[OURS] <= bound.at_most
    if bound.times_raw is not None:
        return cell.sides[OURS] <= bound.times_raw * cell.sides[RAW]
    if bound.times_better:
        return all(
            cell.sides[side] >= times * cell.sides[OURS]
            for side, times in bound.times_better.items()
        )
    return None


class _Growing(NamedTuple):
    """How far the cost of a piece may grow.

    Attributes:
        factor: how many times its cost at a smaller size a piece may cost.
        least: smaller sizes than this one are shown, but nothing is compared with them.
    """

    factor: float
    least: int = 0


#: The allowed growth by unit. Time may grow, because large data no longer fits into the caches.
#: Memory may grow a little, because lists grow in steps. The process's memory comes in pages, so a
#: piece shows only where there are many.
GROWTH = {"second": _Growing(2.0), "byte": _Growing(1.25, 1_000), "count": _Growing(1.0)}


class Growth(NamedTuple):
    """One thing at several sizes.

    Attributes:
        costs: the total cost of each size, at its best, by size in ascending order.
        factor: the cost of a piece at the largest size, divided by its cost at the cheapest
            smaller size.
    """

    row: str
    model: str
    side: str
    unit: str
    costs: dict[int, float]
    factor: float
    inside: bool | None


def growths(measured: Sequence[Series]) -> list[Growth]:
    """Return what was measured at several sizes. Only our side gets a verdict."""
    found: dict[tuple[str, str, str, str], dict[int, float]] = {}
    for series in measured:
        if series.work:
            key = series.row, series.model, series.side, series.unit
            costs = found.setdefault(key, {})
            costs[series.work] = min(series.best, costs.get(series.work, math.inf))
    result = []
    for (row, model, side, unit), costs in found.items():
        allowed = GROWTH[unit]
        *smaller, largest = sorted(costs)
        compared = [costs[size] / size for size in smaller if size >= allowed.least]
        factor = _ratio(costs[largest] / largest, min(compared)) if compared else math.nan
        inside = factor <= allowed.factor if side == OURS and compared else None
        result.append(Growth(row, model, side, unit, costs, factor, inside))
    return result


def _ratio(cost: float, before: float) -> float:
    if cost <= 0:
        return 0.0
    return cost / before if before > 0 else math.inf
