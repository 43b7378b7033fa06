"""The page for maintainers: every bound, whether ours is inside it, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.bounds import GROWTH, Bound
from benchmarks.series import OURS
from benchmarks.tables import NOTHING, amount, table, times
from benchmarks.verdicts import Cell, Growth, explanation, over_ours, over_raw

__all__ = ["NOT_EXPLAINED", "bounds_page", "summary"]

#: What stands beside a row that is outside its bound, where nobody has said why.
NOT_EXPLAINED = "not explained"

_ABOUT = (
    "This page is for those who work on handler-core. It has the bounds that `make bench` holds "
    "ours to, and its verdicts. They are from the same run as [Benchmarks](benchmarks.md), which "
    "also says what raw, pure, the bridge and aiozk are. pure has no bound of its own.",
    "`tests/benchmarks/bounds.py` has the bounds, and the reasons why rows are outside.",
)
_ABOUT_GROWTH = (
    "The factor says how many times its cost at the cheapest smaller size a piece costs at the "
    f"largest. It may be at most {GROWTH['second'].factor:g} for time, {GROWTH['byte'].factor:g} "
    f"for memory and {GROWTH['count'].factor:g} for a count. A figure of the process's memory "
    f"counts from {GROWTH['byte'].least:,} pieces."
)


def summary(cells: Sequence[Cell], growths: Sequence[Growth]) -> str:
    """Return how many are outside their bound, as a sentence."""
    verdicts = [each.inside for each in (*cells, *growths) if each.inside is not None]
    outside = verdicts.count(False)
    if not verdicts:
        return "Nothing that was measured has a bound."
    if outside:
        return f"{outside} of {len(verdicts)} are outside their bound."
    return f"All {len(verdicts)} are inside their bound."


def bounds_page(
    described: Mapping[str, str], cells: Sequence[Cell], growths: Sequence[Growth], note: str
) -> str:
    """Return the page."""
    bounded = [cell for cell in cells if cell.inside is not None]
    growing = [each for each in growths if each.inside is not None]
    parts = ["# Bounds of the benchmarks", *([note] if note else [])]
    parts += [f"**{summary(cells, growths)}**"]
    parts += _ABOUT
    parts.append("\n".join(f"- {name}: {text}" for name, text in described.items()))
    if bounded:
        parts += ["## Rows", _table_of_cells(bounded)]
    if growing:
        parts += ["## How cost grows", _ABOUT_GROWTH, _table_of_growths(growing)]
    return "\n\n".join(parts) + "\n"


def _table_of_cells(cells: Sequence[Cell]) -> str:
    lines = [
        [
            cell.row,
            cell.model,
            _asked(cell.bound, cell.unit),
            _reached(cell, cell.sides),
            _reached(cell, cell.pure),
            _verdict(cell),
        ]
        for cell in cells
    ]
    return table(("what", "model", "bound", "ours", "pure", "verdict"), lines, text=6)


def _asked(bound: Bound, unit: str) -> str:
    most = [] if bound.at_most is None else [f"at most {amount(bound.at_most, unit)}"]
    most += [f"ours / {side} at most {ratio:g}" for side, ratio in bound.times.items()]
    least = [f"{side} / ours at least {ratio:g}" for side, ratio in bound.better.items()]
    return " or ".join([*most, *([", ".join(least)] if least else [])])


def _reached(cell: Cell, sides: Mapping[str, float]) -> str:
    """Return what sides reached, in the terms of the bound."""
    bound = cell.bound
    if not sides:
        return NOTHING
    reached = [] if bound.at_most is None else [amount(sides[OURS], cell.unit)]
    reached += [times(over_raw(sides, side)) for side in bound.times]
    reached += [times(over_ours(sides, side)) for side in bound.better]
    return ", ".join(reached)


def _table_of_growths(growths: Sequence[Growth]) -> str:
    lines = [
        [
            each.row,
            each.model,
            f"at most {GROWTH[each.unit].factor:g}",
            times(each.factor),
            _verdict(each),
        ]
        for each in growths
    ]
    return table(("what", "model", "bound", "factor", "verdict"), lines, text=5)


def _verdict(judged: Cell | Growth) -> str:
    return "inside" if judged.inside else f"**outside**: {explanation(judged) or NOT_EXPLAINED}"
