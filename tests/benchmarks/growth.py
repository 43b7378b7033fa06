"""How cost grows with the work: a piece may not cost more because there are more pieces.

Each size is measured with its total cost; the cost of a piece is computed later. Threads and memory
are counted for the whole process, so each item has a process of its own.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.raw import PollEachTime
from benchmarks.scale import Scale
from benchmarks.series import KAZOO, OURS, RAW, Series
from benchmarks.sides import new_handler
from handler_core import Callback
from handler_core.cli.bench.operations import pending_bytes

__all__ = ["ALL_READY", "ITEMS", "WAKE", "sides", "sizes"]

WAKE = "wake waiters of one result"
ALL_READY = "select, all ready"

_PART = "growth"
# Seconds.
_LONG = 10.0
# How long tasks get to begin their wait. Nothing reports that they have begun.
_TO_PARK = 0.1
_WAIT = 0.001


def _dispatch(model: str, side: str, scale: Scale, size: int) -> Iterator[Series]:
    """Queue callbacks while the first one holds the worker up, then let ``stop`` drain them."""
    queueing, draining = [], []
    for _ in range(scale.repeats):
        handler = new_handler(side, model)
        handler.start()
        begun, gate = handler.event_object(), handler.event_object()
        ran: list[None] = []
        callback = Callback("bench", ran.append, (None,))
        handler.dispatch_callback(Callback("bench", begun.set, ()))
        handler.dispatch_callback(Callback("bench", gate.wait, ()))
        begun.wait()
        gc.collect()
        start = time.perf_counter()
        for _ in range(size):
            handler.dispatch_callback(callback)
        queued = time.perf_counter()
        gate.set()
        handler.stop()
        drained = time.perf_counter()
        assert len(ran) == size
        queueing.append(queued - start)
        draining.append(drained - queued)
    yield Series(_PART, model, "dispatch to a busy worker", side, "second", queueing, size)
    yield Series(_PART, model, "stop, with so many queued", side, "second", draining, size)


def _pending(model: str, side: str, scale: Scale, size: int) -> Iterator[Series]:
    handler = new_handler(side, model)
    handler.start()
    gc.collect()
    before = _resident()
    start = time.perf_counter()
    results = [handler.async_result() for _ in range(size)]
    made = time.perf_counter()
    resident = _resident() - before
    for result in results:
        result.set(None)
    settled = time.perf_counter()
    del result, results
    total = pending_bytes(handler, size) * size
    yield Series(_PART, model, "pending results", side, "byte", [total], size)
    yield Series(_PART, model, "pending results, resident", side, "byte", [resident], size)
    yield Series(_PART, model, "make pending results", side, "second", [made - start], size)
    yield Series(_PART, model, "set pending results", side, "second", [settled - made], size)
    handler.stop()


def _select(model: str, side: str, scale: Scale, size: int) -> Iterator[Series]:
    handler = PollEachTime() if side == RAW else new_handler(side, model)
    with _socket_pairs(size) as (sockets, others):

        def measure(row: str, ready: int, timeout: float, clock: Callable[[], float]) -> Series:
            operations = max(3, 200 // size)
            values = []
            for _ in range(scale.repeats):
                start = clock()
                for _ in range(operations):
                    found, _, _ = handler.select(sockets, [], [], timeout)
                values.append((clock() - start) / operations)
                assert len(found) == ready
            return Series(_PART, model, row, side, "second", values, size)

        # This wait lasts until its timeout, so its cost is the CPU time.
        yield measure("select, none ready (CPU time)", 0, _WAIT, time.process_time)
        others[-1].send(b"x")
        yield measure("select, one ready", 1, 1, time.perf_counter)
        for other in others[:-1]:
            other.send(b"x")
        yield measure(ALL_READY, size, 1, time.perf_counter)


@contextlib.contextmanager
def _socket_pairs(size: int) -> Iterator[tuple[list[socket.socket], list[socket.socket]]]:
    needed = 2 * size + 100
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit < needed:
        raise SystemExit(f"{needed} files are to be open, and {limit} may be: ulimit -Hn {needed}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    pairs = [socket.socketpair() for _ in range(size)]
    try:
        yield [one for one, _ in pairs], [other for _, other in pairs]
    finally:
        for pair in pairs:
            for end in pair:
                end.close()


def _handlers(model: str, side: str, scale: Scale, size: int) -> Iterator[Series]:
    new_handler(side, model)  # imports what it needs
    gc.collect()

    def series(row: str, unit: str, value: float) -> Series:
        return Series(_PART, model, row, side, unit, [value], size)

    threads, resident, start = _threads(), _resident(), time.perf_counter()
    handlers = [new_handler(side, model) for _ in range(size)]
    for handler in handlers:
        handler.start()
    yield series("start handlers", "second", time.perf_counter() - start)
    yield series("started handlers: threads", "count", _threads() - threads)
    yield series("started handlers: memory", "byte", _resident() - resident)

    start = time.perf_counter()
    for handler in handlers:
        _use(handler)
    yield series("a callback and a link on each", "second", time.perf_counter() - start)
    yield series("handlers in use: threads", "count", _threads() - threads)
    yield series("handlers in use: memory", "byte", _resident() - resident)

    start = time.perf_counter()
    for handler in handlers:
        handler.stop()
    yield series("stop handlers", "second", time.perf_counter() - start)
    # A thread that has ended for Python stays in the system's list for a moment.
    deadline = time.monotonic() + _LONG
    while _threads() > threads and time.monotonic() < deadline:
        time.sleep(_TO_PARK)
    yield series("stopped handlers: threads", "count", _threads() - threads)


def _use(handler: Any) -> None:
    ran, linked = handler.event_object(), handler.event_object()
    handler.dispatch_callback(Callback("bench", ran.set, ()))
    result = handler.async_result()
    result.rawlink(lambda result: linked.set())
    result.set(None)
    ran.wait()
    linked.wait()


def _waiters(model: str, side: str, scale: Scale, size: int) -> Iterator[Series]:
    """Let ``size`` tasks wait for one result, and set it."""
    handler = new_handler(side, model)
    handler.start()
    values = []
    for _ in range(scale.repeats):
        result, ended = handler.async_result(), handler.event_object()
        woken: list[int] = []

        def wait(result: Any = result, ended: Any = ended, woken: list[int] = woken) -> None:
            woken.append(result.get())
            if len(woken) == size:
                ended.set()

        for _ in range(size):
            handler.spawn(wait)
        handler.sleep_func(_TO_PARK)
        gc.collect()
        start = time.perf_counter()
        result.set(7)
        ended.wait()
        values.append(time.perf_counter() - start)
        assert woken == [7] * size
    yield Series(_PART, model, WAKE, side, "second", values, size)
    handler.stop()


def _threads() -> int:
    """Count the threads of the process, including those that Python does not know."""
    folder = Path("/proc/self/task")
    return len(os.listdir(folder)) if folder.exists() else threading.active_count()


def _resident() -> int:
    """Return the resident memory in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


_Item = Callable[[str, str, Scale, int], Iterator[Series]]

#: The items by name. Each function measures one size, in a process of its own.
ITEMS: dict[str, _Item] = {
    "dispatch": _dispatch,
    "pending": _pending,
    "select": _select,
    "handlers": _handlers,
    "waiters": _waiters,
}


def sides(item: str, model: str) -> tuple[str, ...]:
    """Return the sides to measure. Sides other than ours run only the items that report them."""
    if item in ("handlers", "waiters"):
        return OURS, KAZOO
    if item == "select" and model == "threading":
        return OURS, RAW
    return (OURS,)


def sizes(item: str, scale: Scale) -> tuple[int, ...]:
    """Return the sizes of an item, in ascending order."""
    return {
        "dispatch": scale.queued,
        "pending": scale.pending,
        "select": scale.descriptors,
        "handlers": scale.handlers,
        "waiters": scale.waiters,
    }[item]
