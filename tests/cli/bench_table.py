"""Helpers for the tests of ``handler-core bench``: they read its table."""

from __future__ import annotations

import re

from handler_core.cli.bench.operations import ROWS

MEMORY = "memory of a pending result"
NAMES = [row.name for row in ROWS] + [MEMORY]


def cells_of(table: str) -> tuple[list[str], dict[str, list[str]]]:
    """Return the headings of a table, and the unit and the cells of each row by its name."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()]
    # A rule is above the first row, and the headings are above the rule.
    first = next(number for number, cells in enumerate(lines) if cells[0] == NAMES[0])
    return lines[first - 2], {cells[0]: cells[1:] for cells in lines if cells[0] in NAMES}


def number(cell: str) -> float:
    return float(cell.removesuffix(" *").replace(",", ""))
