"""The single operations of a handler that ``handler-core bench`` measures, one in each row.

The rows use only what kazoo's handlers have too (``async_result``, ``dispatch_callback``,
``select``, ``spawn``, ``event_object``), so one function measures both kinds of handlers. A row
makes the objects that it needs before its clock starts. It also collects garbage then. The
collector stays on during the measurement, as it is in a program.
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

from handler_core import Callback
from handler_core.cli.child.job import JobError, check_ran

__all__ = ["ROWS", "Row", "pending_bytes"]


class Row(NamedTuple):
    """One operation to measure.

    Attributes:
        name: the name of the operation.
        unit: the unit in which its cost is shown, ``"ns"`` or ``"us"``.
        loops: how many operations a run has, so that it takes some tens of milliseconds.
        run: ``run(handler, operations)`` does this many operations on a started handler, and
            returns the seconds that all of them took. It raises
            :class:`~handler_core.cli.child.job.JobError` if the handler does something wrong, or
            if the process may not open enough descriptors.
    """

    name: str
    unit: str
    loops: int
    run: Callable[[Any, int], float]


def pending_bytes(handler: Any, count: int) -> float:
    """Return how many bytes a pending result takes, as the average over ``count`` results."""
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
            raise JobError(f"select found {len(ready):,} sockets ready instead of 1")
    return seconds


@contextlib.contextmanager
def _sockets(count: int) -> Iterator[list[socket.socket]]:
    """Make this many connected sockets. Only the first one is readable."""
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
                f"{count:,} sockets are needed, and this process may open only {limit:,} files; "
                "raise the hard limit of open files: ulimit -n"
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


#: The time of a row covers what its name says. It does not cover the making of the results and
#: sockets that the row starts with.
ROWS: tuple[Row, ...] = (
    Row("create, set, get", "ns", 50_000, _create_set_get),
    Row("dispatch, run", "ns", 30_000, _dispatch_run),
    Row("link, set, run", "ns", 20_000, _link_set_run),
    Row("select, 1 socket", "us", 4_000, functools.partial(_select, count=1)),
    Row("select, 100 sockets", "us", 500, functools.partial(_select, count=100)),
    Row("select, 1,000 sockets", "us", 50, functools.partial(_select, count=1_000)),
    Row("hand-over to a waiting task", "us", 2_000, _hand_over),
)
