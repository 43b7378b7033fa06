"""What single operations of a handler cost: the rows that ``handler-core bench`` measures.

Each row uses nothing but what kazoo's handlers have too (``async_result``, ``dispatch_callback``,
``select``, ``spawn``, ``event_object``), so that one function measures either kind. What a row
needs is made before its clock starts, and garbage is collected then; the collector stays on, as it
is in a program.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import gc
import resource
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any, NamedTuple

from handler_core.cli.failure import JobError, check_ran
from handler_core.execution._callback import Callback

__all__ = ["ROWS", "Row", "pending_bytes"]


class Row(NamedTuple):
    """One operation to measure.

    Attributes:
        name: what is done.
        unit: in what the cost of one operation is shown, ``"ns"`` or ``"us"``.
        loops: how many operations a run should have, to take some tens of milliseconds.
        run: ``run(handler, operations)`` does so many on a started handler, and returns how long
            all of them took, in seconds. Raises :class:`~handler_core.cli.failure.JobError` if the
            handler did not do what it was asked to, or there are too few descriptors.
    """

    name: str
    unit: str
    loops: int
    run: Callable[[Any, int], float]


def pending_bytes(handler: Any, count: int) -> float:
    """Return how many bytes one pending result takes, on the average of ``count``."""
    results = [None] * count
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            results[number] = handler.async_result()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / count


def _start_clock() -> float:
    gc.collect()
    return time.perf_counter()


def _create_set_get(handler: Any, operations: int) -> float:
    new = handler.async_result
    start = _start_clock()
    for _ in repeat(None, operations):
        result = new()
        result.set(None)
        result.get()
    return time.perf_counter() - start


def _dispatch_run(handler: Any, operations: int) -> float:
    dispatch = handler.dispatch_callback
    ran: list[None] = []
    callback = Callback("bench", ran.append, (None,))
    ended = handler.event_object()
    start = _start_clock()
    for _ in repeat(None, operations):
        dispatch(callback)
    dispatch(Callback("bench", ended.set, ()))
    ended.wait()
    seconds = time.perf_counter() - start
    check_ran("dispatched", len(ran), operations)
    return seconds


def _link_set_run(handler: Any, operations: int) -> float:
    results = [handler.async_result() for _ in range(operations)]
    ran: list[Any] = []
    ended = handler.event_object()
    end = handler.async_result()
    end.rawlink(lambda result: ended.set())
    start = _start_clock()
    for result in results:
        result.rawlink(ran.append)
        result.set(None)
    end.set(None)
    ended.wait()
    seconds = time.perf_counter() - start
    check_ran("linked", len(ran), operations)
    return seconds


def _select(handler: Any, operations: int, *, count: int) -> float:
    select = handler.select
    with _sockets(count) as sockets:
        start = _start_clock()
        for _ in repeat(None, operations):
            ready, _, _ = select(sockets, [], [], 1)
        seconds = time.perf_counter() - start
        if ready != sockets[:1]:
            raise JobError(f"select found {len(ready):,} sockets ready, where 1 was")
    return seconds


@contextlib.contextmanager
def _sockets(count: int) -> Iterator[list[socket.socket]]:
    """Make so many connected sockets, of which the first one is readable."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with contextlib.ExitStack() as stack:
        sockets: list[socket.socket] = []
        try:
            while len(sockets) < count:
                sockets += map(stack.enter_context, socket.socketpair())
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
            raise JobError(
                f"{count:,} sockets are more than the {limit:,} files that this process may have "
                "open; the limit is raised by its owner: ulimit -n"
            ) from None
        sockets[1].send(b"\0")
        yield sockets[:count]


def _hand_over(handler: Any, operations: int) -> float:
    turns = (operations + 1) // 2
    there = [handler.async_result() for _ in range(turns)]
    back = [handler.async_result() for _ in range(turns)]
    begun = handler.async_result()

    def answer() -> None:
        begun.set(None)
        for question, reply in zip(there, back, strict=True):
            question.get()
            reply.set(None)

    task = handler.spawn(answer)
    begun.get()
    start = _start_clock()
    for question, reply in zip(there, back, strict=True):
        question.set(None)
        reply.get()
    seconds = time.perf_counter() - start
    task.join()
    return seconds * operations / (2 * turns)


#: Results and sockets that a row starts from are not in its time; what it is named after is.
ROWS: tuple[Row, ...] = (
    Row("create, set, get", "ns", 50_000, _create_set_get),
    Row("dispatch, run", "ns", 30_000, _dispatch_run),
    Row("link, set, run", "ns", 20_000, _link_set_run),
    Row("select, 1 socket", "us", 4_000, functools.partial(_select, count=1)),
    Row("select, 100 sockets", "us", 500, functools.partial(_select, count=100)),
    Row("select, 1,000 sockets", "us", 50, functools.partial(_select, count=1_000)),
    Row("hand-over to a waiting task", "us", 2_000, _hand_over),
)
