"""The page for users: three figures, what was measured and where, and all that was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from benchmarks.figures import RIVALS, Figure, figures, rounded
from benchmarks.series import KAZOO, OURS, RAW
from benchmarks.sides import LOOP_MODELS
from benchmarks.tables import NOTHING, amount, cost, table, times, without_empty
from benchmarks.verdicts import Cell, Growth, over_ours, over_raw

__all__ = ["user_page"]

_TITLES = {
    "rows": "Single operations",
    "whole": "The whole way: KazooClient and a ZooKeeper server",
    "coroutines": "Coroutines: KazooClient on the loop, and other ways from there to ZooKeeper",
    "clients": "Other libraries: 20 tasks with a connection each",
    "lookup": "Look-up",
}
_MAIN_SIDES = (OURS, RAW, KAZOO)
_LEAD = (
    "What a client of ZooKeeper gets from handler-core (ours), and from kazoo's own handlers, on "
    "each concurrency model:"
)
_ABOUT_FIGURES = (
    "A request is a get of 100 bytes from a real server. A callback is measured from "
    "`dispatch_callback` to its end. kazoo has no handler for asyncio and trio. There the "
    "others are the bridge, which is KazooClient on kazoo's threads, and aiozk, a client written "
    "for asyncio."
)
_ABOUT = (
    "One run of `make bench` measured everything on this page. The figures are medians of rounds. "
    "In each round all sides took turns in one process. A ratio carries over to another machine, "
    "and a time does not.",
    "The sides:",
    "- **ours** is handler-core, in the build that is named below.\n"
    "- **pure** is ours in a process with `HANDLER_CORE_PURE=1`, which runs the Python source, in "
    "fewer rounds. The others took their turns in that process too. The ratio is to what they took "
    "there.\n"
    "- **kazoo** is kazoo's own handler for the same model.\n"
    "- **raw** is the least that does the job, without a handler. For `select` it is a poll that "
    "is made and told its sockets at each call. For a request at a time it is the same request on "
    "a bare socket; with threading it goes through a second thread. For the look-up it is a "
    "process that imports pluggy and importlib_metadata and makes one `entry_points` call.\n"
    "- **bridge** sends to asyncio's loop by `call_soon_threadsafe`. In trio it calls the blocking "
    "method by `trio.to_thread.run_sync`.\n"
    "- **aiozk** runs a callback by `call_soon`. Its pending result is an `asyncio.Future`.\n"
    "- **threads** are 20 threads that use the same library without a handler.\n"
    "- **native** is a library that is written for asyncio: redis.asyncio, aiomcache, psycopg's "
    "`AsyncConnection`, and aiomysql.",
    "The machine:",
)
_ABOUT_GROWTH = (
    "This is what one piece costs at each size, at its best. The factor compares the largest size "
    "with the cheapest smaller one. It is 1 where cost grows in proportion to the work."
)


def user_page(
    described: Mapping[str, str], cells: Sequence[Cell], growths: Sequence[Growth], note: str
) -> str:
    """Return the page."""
    three = figures(cells)
    parts = ["# Benchmarks", *([note] if note else [])]
    if three:
        parts += [_LEAD, f"![{_spoken(three)}](benchmarks.svg)", *map(_table_of_figure, three)]
        parts.append(_ABOUT_FIGURES)
    parts += [
        "[Performance](performance.md) says where the time goes.",
        "## What was measured",
        *_ABOUT,
        "\n".join(f"- {name}: {text}" for name, text in described.items()),
    ]
    for part, title in _TITLES.items():
        chosen = [cell for cell in cells if cell.part == part]
        if chosen:
            parts += [f"## {title}", *_tables_of_cells(chosen)]
    if growths:
        parts += ["## How cost grows", _ABOUT_GROWTH, _table_of_growths(growths)]
    return "\n\n".join(parts) + "\n"


def _spoken(three: Sequence[Figure]) -> str:
    """Return what the chart shows, for those who do not see it."""
    titles = ", ".join(figure.title.lower() for figure in three)
    return f"{titles}, as bars; the tables below have the figures"


def _table_of_figure(figure: Figure) -> str:
    """Return a line for each of the others, and for a model that has none."""
    lines = []
    for model, sides in figure.values.items():
        ours = sides[OURS]
        lines += [
            [
                model,
                f"{rounded(ours):,}",
                f"{side}&nbsp;{rounded(sides[side]):,}",
                f"{ours / sides[side] if figure.rate else sides[side] / ours:.1f}",
            ]
            for side in RIVALS
            if side in sides
        ] or [[model, f"{rounded(ours):,}", NOTHING, NOTHING]]
    ratio = "ours / others" if figure.rate else "others / ours"
    figures = table(("model", "ours", "others", ratio), lines, text=1)
    return f"**{figure.title}** ({figure.aside}):\n\n{figures}"


def _tables_of_cells(cells: Sequence[Cell]) -> list[str]:
    """Return a table of the models that kazoo has too, and one of event loops."""
    groups = (
        [cell for cell in cells if cell.model not in LOOP_MODELS],
        [cell for cell in cells if cell.model in LOOP_MODELS],
    )
    return [_table_of_cells(group) for group in groups if group]


def _table_of_cells(cells: Sequence[Cell]) -> str:
    header = (
        "what",
        "model",
        *_MAIN_SIDES,
        "others",
        "ours / raw",
        *(f"{side} / ours" for side in RIVALS),
        *(f"{side} / pure" for side in RIVALS),
    )
    lines = []
    for cell in cells:
        shown = {side: cost(value, cell) for side, value in cell.sides.items()}
        others = [f"{side} {text}" for side, text in shown.items() if side not in _MAIN_SIDES]
        lines.append(
            [
                cell.row,
                cell.model,
                *(shown.get(side, NOTHING) for side in _MAIN_SIDES),
                "; ".join(others) or NOTHING,
                times(over_raw(cell.sides)),
                *(times(over_ours(cell.sides, side)) for side in RIVALS),
                *(times(over_ours(cell.pure, side)) for side in RIVALS),
            ]
        )
    return table(*without_empty(header, lines), text=2)


def _table_of_growths(growths: Sequence[Growth]) -> str:
    lines = []
    for each in growths:
        costs = [
            f"{amount(cost / size, each.unit)} ({size:,})" for size, cost in each.costs.items()
        ]
        factor = "none" if math.isnan(each.factor) else times(each.factor)
        lines.append([each.row, each.model, each.side, ", ".join(costs), factor])
    return table(("what", "model", "side", "a piece (of so many)", "factor"), lines, text=4)
