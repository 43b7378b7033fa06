"""Single operations on asyncio, where kazoo has no handler: ours, the bridge, and aiozk's means.

The bridge is what a program does that has kazoo's threads and a loop. aiozk runs a callback by
``loop.call_soon``, and keeps an ``asyncio.Future`` for each answer that it waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmarks import raw
from benchmarks.asyncio_loop import bridged
from benchmarks.coroutines import AIOZK, BRIDGE
from benchmarks.rows import CREATE, DISPATCH, LINK, MEMORY, SELECTS, measure_sides
from benchmarks.scale import Scale
from benchmarks.series import KAZOO, OURS, RAW, Series
from benchmarks.sides import ASYNCIO, new_handler
from handler_core import Callback, get_handler

__all__ = ["measure"]


class _Future(asyncio.Future):  # type: ignore[type-arg]
    """asyncio's future, with the names of a result."""

    __slots__ = ()

    rawlink = asyncio.Future.add_done_callback
    set = asyncio.Future.set_result
    get = asyncio.Future.result


class _Aiozk:
    """What aiozk does for a callback and for an answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, event_object: Callable[[], Any]) -> None:
        self.event_object = event_object
        self._call_soon = loop.call_soon

    def async_result(self) -> Any:
        return _Future()

    def dispatch_callback(self, callback: Callback) -> None:
        self._call_soon(callback.func, *callback.args)


class _Bridge:
    """kazoo's threads, which send to the loop what is for the loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, kazoo: Any, event_object: Callable[[], Any]
    ) -> None:
        self.event_object = event_object
        self._loop = loop
        self._kazoo = kazoo

    def async_result(self) -> Any:
        result = self._kazoo.async_result()
        bridged(self._loop, result)  # the link keeps the future
        return result

    def dispatch_callback(self, callback: Callback) -> None:
        send = Callback(
            callback.type, self._loop.call_soon_threadsafe, (callback.func, *callback.args)
        )
        self._kazoo.dispatch_callback(send)


def measure(scale: Scale) -> Iterator[Series]:
    """Measure all rows in a task of a loop."""
    yield from asyncio.run(_measure(scale))


async def _measure(scale: Scale) -> list[Series]:
    handler: Any = get_handler(ASYNCIO)
    kazoo = new_handler(KAZOO, "threading")
    kazoo.start()
    async with handler:
        # The events are ours on each side, so that the task lets the loop run while it waits.
        loop, event = asyncio.get_running_loop(), handler.event_object
        bridge, aiozk = _Bridge(loop, kazoo, event), _Aiozk(loop, event)

        def sides_of(row: str) -> Mapping[str, Any]:
            sides: dict[str, Any] = {OURS: handler}
            if row in SELECTS:
                sides |= {RAW: raw.PollEachTime(), raw.REGISTERED_ONCE: raw.PollRegisteredOnce()}
            if row in (CREATE, MEMORY):
                sides[RAW] = raw.slotted_results()
            if row in (DISPATCH, MEMORY):
                sides[BRIDGE] = bridge
            if row in (CREATE, LINK, DISPATCH, MEMORY):
                sides[AIOZK] = aiozk
            return sides

        measured: list[Series] = await handler.call(
            lambda: list(measure_sides(ASYNCIO, sides_of, scale))
        )
    kazoo.stop()
    return measured
