"""Single operations: ours, kazoo's and the raw primitive, in turn in one process."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmarks import raw
from benchmarks.scale import Scale
from benchmarks.series import KAZOO, OURS, RAW, Series, Turns
from benchmarks.sides import new_handler
from handler_core.cli.bench.operations import ROWS, pending_bytes

__all__ = [
    "CREATE",
    "DISPATCH",
    "HAND_OVER",
    "LINK",
    "MEMORY",
    "SELECTS",
    "measure",
    "measure_sides",
]

CREATE = "create, set, get"
DISPATCH = "dispatch, run"
LINK = "link, set, run"
HAND_OVER = "hand-over to a waiting task"
SELECTS = ("select, 1 socket", "select, 100 sockets", "select, 1,000 sockets")
MEMORY = "memory of a pending result"

_PART = "rows"


def measure(model: str, scale: Scale) -> Iterator[Series]:
    """Measure all rows on a model, in this process, which is the model's own."""
    handlers = {side: new_handler(side, model) for side in (OURS, KAZOO)}
    for handler in handlers.values():
        handler.start()
    yield from measure_sides(model, lambda row: handlers | _others(row, model), scale)
    for handler in handlers.values():
        handler.stop()


def measure_sides(
    model: str, sides_of: Callable[[str], Mapping[str, Any]], scale: Scale
) -> Iterator[Series]:
    """Measure all rows with the started handlers and primitives of each row, by side."""
    rows = {}
    for row in ROWS:
        sides = sides_of(row.name)
        runs = {side: functools.partial(row.run, handler) for side, handler in sides.items()}
        rows[row.name] = Turns(runs, max(1, int(row.loops * scale.loops)), scale.longest)
    # If the machine is busy for a while, that affects a few rounds of every row.
    for _ in range(scale.rounds):
        for turns in rows.values():
            turns.take_one_each()
    for name, turns in rows.items():
        for side, values in turns.values.items():
            yield Series(_PART, model, name, side, "second", values)
    for side, handler in sides_of(MEMORY).items():
        weight = pending_bytes(handler, scale.results)
        yield Series(_PART, model, MEMORY, side, "byte", [weight])


def _others(row: str, model: str) -> dict[str, Any]:
    """Return the raw primitive, and others that do the same job."""
    others: dict[str, Any] = {}
    if row in SELECTS:
        return {RAW: raw.PollEachTime(), raw.REGISTERED_ONCE: raw.PollRegisteredOnce()}
    if row in (CREATE, MEMORY):
        others[RAW] = raw.slotted_results()
    elif row == DISPATCH:
        others[RAW] = raw.queue_of(model)
    elif row == HAND_OVER:
        others[RAW] = raw.hand_over_of(model)
    if model == "threading" and row in (CREATE, HAND_OVER, MEMORY):
        others[raw.FUTURE] = raw.Futures()
    if model == "gevent" and row in (CREATE, LINK, HAND_OVER, MEMORY):
        others[raw.GEVENT_RESULT] = raw.GeventResults()
    return others
