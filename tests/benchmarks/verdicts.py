"""The measured rows, each with the verdict whether ours is inside its bound."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.bounds import BOUNDS, EXPLANATIONS, GROWTH, Bound
from benchmarks.series import OURS, RAW, Series

__all__ = ["Cell", "Growth", "cells", "explanation", "growths", "over_ours", "over_raw"]


class Cell(NamedTuple):
    """One row on one model, and its verdict.

    Attributes:
        sides: what each side took, ours first.
        pure: what each side took in the processes that ran the Python source; empty if there were
            none.
        inside: whether ours is inside its bound; None if it has no bound.
    """

    part: str
    row: str
    model: str
    unit: str
    sides: dict[str, float]
    pure: dict[str, float]
    bound: Bound
    inside: bool | None


def over_ours(sides: Mapping[str, float], side: str) -> float | None:
    """Return how many times the cost of ours another side costs; None if that is not known."""
    if side not in sides or not sides.get(OURS):
        return None
    return sides[side] / sides[OURS]


def over_raw(sides: Mapping[str, float], side: str = RAW) -> float | None:
    """Return how many times the cost of another side ours costs; None if that is not known."""
    if OURS not in sides or not sides.get(side):
        return None
    return sides[OURS] / sides[side]


def cells(measured: Sequence[Series]) -> list[Cell]:
    """Return the cells in the order of measuring. Series with several sizes are in no cell."""
    found: dict[tuple[str, str, str, str], tuple[dict[str, float], dict[str, float]]] = {}
    for series in measured:
        if not series.work:
            key = series.part, series.row, series.model, series.unit
            found.setdefault(key, ({}, {}))[series.pure][series.side] = series.typical
    judged = []
    for (part, row, model, unit), (sides, pure) in found.items():
        bound = BOUNDS.get((row, model), Bound())
        judged.append(Cell(part, row, model, unit, sides, pure, bound, _is_inside(sides, bound)))
    return judged


def _is_inside(sides: Mapping[str, float], bound: Bound) -> bool | None:
    ours = sides[OURS]
    verdicts = [ours <= times * sides[side] for side, times in bound.times.items()]
    if bound.at_most is not None:
        verdicts.append(ours <= bound.at_most)
    if bound.better:
        verdicts.append(all(sides[side] >= times * ours for side, times in bound.better.items()))
    return any(verdicts) if verdicts else None


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


def explanation(judged: Cell | Growth) -> str | None:
    """Return why a row is outside its bound on a model, if that is known."""
    text = EXPLANATIONS.get((judged.row, judged.model))
    if text is not None and isinstance(judged, Cell):
        return text.format(share=over_ours(judged.sides, RAW))
    return text


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
