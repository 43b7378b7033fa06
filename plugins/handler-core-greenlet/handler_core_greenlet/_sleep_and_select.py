"""Functions that wait in the caller's way: a greenlet parks, a thread blocks.

Sockets, queues and ``sleep`` use them. They have no handler to ask.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import greenlet  # type: ignore[import-untyped]

from handler_core.execution import ThreadWaiter, Waiter
from handler_core.network import (
    FileObject,
    SelectLists,
    blocking_select,
    checked_timeout,
    poll_select,
)
from handler_core_greenlet._find_hub import find_hub
from handler_core_greenlet._fork import runs_alone
from handler_core_greenlet._native import allocate_lock, unpatched
from handler_core_greenlet._siblings import thread_has_siblings

__all__ = ["new_waiter", "now", "select", "sleep", "thread_select", "thread_waiter"]

_native_time = unpatched("time")


def new_waiter() -> Waiter:
    """Return a waiter for this greenlet, or for this thread if it runs no loop.

    Raises:
        RuntimeError: the caller runs the event loop and may not block.
    """
    hub = find_hub()
    return thread_waiter() if hub is None else hub.new_waiter(greenlet.getcurrent())


def thread_waiter() -> ThreadWaiter:
    """Return a waiter for this thread, which runs no loop."""
    return ThreadWaiter(None if _others_run() else allocate_lock)


def now() -> float:
    """Return the time in seconds, as timeouts are counted where the caller is."""
    hub = find_hub()
    return time.monotonic() if hub is None else hub.clock()


def sleep(seconds: float) -> None:
    """Block the caller for so many seconds, while others run; with 0, let them run once.

    Raises:
        ValueError: the time is negative.
        RuntimeError: the caller runs the event loop and may not block.
    """
    hub = find_hub()
    if hub is None or seconds < 0:
        module = time if _others_run() else _native_time
        module.sleep(seconds)  # raises if it is negative
        return
    waiter = hub.new_waiter(greenlet.getcurrent())
    if seconds > 0:
        waiter.park(seconds)
    else:
        hub.let_others_run(waiter)


def select(
    rlist: Sequence[FileObject],
    wlist: Sequence[FileObject],
    xlist: Sequence[FileObject],
    timeout: float | None = None,
) -> SelectLists:
    """Wait as ``select.select`` does, for any number of descriptors, while others run."""
    timeout = checked_timeout(timeout)
    hub = find_hub()
    if hub is None:
        return thread_select(rlist, wlist, xlist, timeout)
    current: Any = greenlet.getcurrent()
    return hub.select(current, rlist, wlist, xlist, timeout)


def thread_select(
    rlist: Sequence[FileObject],
    wlist: Sequence[FileObject],
    xlist: Sequence[FileObject],
    timeout: float | None,
) -> SelectLists:
    """Wait as ``select.select`` does, in a thread that runs no loop.

    ``timeout`` is one that :func:`checked_timeout` returned.
    """
    wait = poll_select if _others_run() else blocking_select
    return wait(rlist, wlist, xlist, timeout)


def _others_run() -> bool:
    """Return True if other greenlets of this thread must run while the caller waits."""
    return thread_has_siblings() and not runs_alone()
