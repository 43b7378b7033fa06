"""What ours may cost: the bound of each row on each model, and why some rows are outside.

A bound says how ours compares with something that is measured beside it, so it holds on a machine
of any speed. Where nothing else does the same job, the bound is a time or a size.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from benchmarks import coroutines, growth, lookup, rows, whole
from benchmarks.coroutines import AIOZK, BRIDGE
from benchmarks.series import KAZOO, RAW
from benchmarks.sides import ASYNCIO, KAZOO_MODELS, TRIO

__all__ = ["BOUNDS", "EXPLANATIONS", "GROWTH", "Bound", "Growing"]

_NONE: Mapping[str, float] = MappingProxyType({})


class Bound(NamedTuple):
    """What ours may cost. It is inside if one of the given attributes holds.

    Attributes:
        at_most: the most that ours may cost, in the unit of the row: seconds, bytes or a count.
        times: by other side: how many times its cost ours may cost.
        better: by other side: how many times the cost of ours it must cost, all of them.
    """

    at_most: float | None = None
    times: Mapping[str, float] = _NONE
    better: Mapping[str, float] = _NONE


_US = 1e-6


_Each = TypeVar("_Each")


def _of_each(row: str, *each: _Each) -> dict[tuple[str, str], _Each]:
    return {(row, model): of_model for model, of_model in zip(KAZOO_MODELS, each, strict=True)}


def _below_kazoo(row: str, *times: float) -> dict[tuple[str, str], Bound]:
    return _of_each(row, *(Bound(better={KAZOO: each}) for each in times))


#: The bound of each row and model. Models are in the order of ``KAZOO_MODELS``.
BOUNDS: dict[tuple[str, str], Bound] = {
    **_below_kazoo(rows.CREATE, 10, 1.8, 16),
    **_below_kazoo(rows.DISPATCH, 9, 1.8, 28),
    **_below_kazoo(rows.LINK, 10, 2.2, 20),
    **_of_each(rows.SELECTS[0], *[Bound(times={RAW: 1.2})] * 3),
    **_of_each(rows.SELECTS[1], *[Bound(times={RAW: 1.5})] * 3),
    **_of_each(rows.SELECTS[2], *[Bound(times={RAW: 1.5})] * 3),
    **_of_each(rows.MEMORY, *[Bound(112)] * 3),
    (rows.HAND_OVER, "threading"): Bound(times={RAW: 1.15}),
    **_below_kazoo(whole.GETS_AT_ONCE, 2.5, 4, 7),
    **_below_kazoo(whole.SETS_AT_ONCE, 2.5, 4, 7),
    **_below_kazoo(whole.GETS_ONE_BY_ONE, 1.4, 1.4, 1.4),
    **_below_kazoo(whole.SETS_ONE_BY_ONE, 1.4, 1.4, 1.4),
    (whole.LATE_TYPICALLY, "threading"): Bound(times={KAZOO: 3}),
    (whole.LATE_WORST, "threading"): Bound(5_000 * _US, times={KAZOO: 3}),
    (coroutines.AT_ONCE, ASYNCIO): Bound(better={BRIDGE: 5, AIOZK: 2}),
    (coroutines.ONE_BY_ONE, ASYNCIO): Bound(better={BRIDGE: 1.35, AIOZK: 1}),
    (coroutines.TURN, ASYNCIO): Bound(5_000 * _US),
    (coroutines.AT_ONCE, TRIO): Bound(better={BRIDGE: 4}),
    (coroutines.ONE_BY_ONE, TRIO): Bound(better={BRIDGE: 1.35}),
    (coroutines.TURN, TRIO): Bound(5_000 * _US),
    (lookup.FIRST, "threading"): Bound(times={RAW: 1.2}),
    (lookup.FIRST_ALONE, "threading"): Bound(times={RAW: 1.2}),
    **_of_each(lookup.SECOND, *[Bound(30 * _US)] * 3),
    **_of_each(lookup.THREADS, *[Bound(0)] * 3),
}


class Growing(NamedTuple):
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
GROWTH = {"second": Growing(2.0), "byte": Growing(1.25, 1_000), "count": Growing(1.0)}


_BARE_REQUEST = (
    "the same request takes {share:.0%} of this time on a bare socket, and kazoo's own code is a "
    "part of the rest"
)

_SCATTER = "two threads take turns, and how well differs by 30 % from one run to the next"
_CACHES = (
    "a raw poll too takes longer for each of 4,000 sockets, which no longer fit into the caches, "
    "than for each of 1,000"
)

#: Why a row is outside its bound on a model, where that is known. The page of the bounds shows it
#: only if the row is outside. ``share`` is the part of our time that the raw side takes.
EXPLANATIONS: dict[tuple[str, str], str] = {
    **_of_each(whole.GETS_ONE_BY_ONE, *[_BARE_REQUEST] * 3),
    **_of_each(whole.SETS_ONE_BY_ONE, *[_BARE_REQUEST] * 3),
    (whole.GETS_AT_ONCE, "threading"): _SCATTER,
    (whole.SETS_AT_ONCE, "threading"): _SCATTER,
    (whole.LATE_WORST, "threading"): (
        "one sleep in a hundred waits for the kernel's scheduler too: on both sides it differs by "
        "a factor of two from one run to the next"
    ),
    (coroutines.AT_ONCE, ASYNCIO): "the same code was 1.6 to 2.5 times aiozk in five runs",
    (coroutines.ONE_BY_ONE, ASYNCIO): (
        "half of the time is in the kernel: three turns of the loop's epoll, and the send"
    ),
    **_of_each(growth.ALL_READY, _CACHES, _CACHES, _CACHES),
    (growth.WAKE, "threading"): "all threads wake at once, and queue for the interpreter's lock",
}
