"""Tables in Markdown, and how amounts and ratios are written in them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import client_rows, coroutines, whole
from benchmarks.verdicts import Cell

__all__ = ["NOTHING", "amount", "cost", "table", "times", "without_empty"]

#: What stands in a place that has no value.
NOTHING = "-"

# What is shown as a rate.
_REQUESTS = (
    whole.GETS_AT_ONCE,
    whole.SETS_AT_ONCE,
    whole.GETS_ONE_BY_ONE,
    whole.SETS_ONE_BY_ONE,
    coroutines.AT_ONCE,
    coroutines.ONE_BY_ONE,
    *client_rows.REQUESTS,
)


def table(header: Sequence[str], lines: Sequence[Sequence[str]], text: int) -> str:
    """Return a table. Its first ``text`` columns are text, and the others are numbers."""
    rule = ["---"] * text + ["--:"] * (len(header) - text)
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, rule, *lines))


def without_empty(
    header: Sequence[str], lines: Sequence[Sequence[str]]
) -> tuple[list[str], list[list[str]]]:
    """Return the columns that have a value in any line."""
    full = [any(line[column] != NOTHING for line in lines) for column in range(len(header))]
    first, *others = (
        [text for text, keep in zip(line, full, strict=True) if keep] for line in (header, *lines)
    )
    return first, others


def cost(value: float, cell: Cell) -> str:
    """Return what a side of a cell took, or how often it does that in a second."""
    return f"{1 / value:,.0f}/s" if cell.row in _REQUESTS else amount(value, cell.unit)


def times(ratio: float | None) -> str:
    """Return a ratio as text."""
    if ratio is None:
        return NOTHING
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


def amount(value: float, unit: str) -> str:
    """Return a value of a series as text: of the unit second, byte or count."""
    if unit == "byte":
        return f"{value:,.0f} B"
    if unit == "count":
        return f"{value:g}"
    for factor, name in ((1e9, "ns"), (1e6, "µs"), (1e3, "ms")):
        if value * factor < 10_000 or name == "ms":
            shown = value * factor
            return f"{shown:,.0f} {name}" if shown >= 100 else f"{shown:.3g} {name}"
    raise AssertionError
