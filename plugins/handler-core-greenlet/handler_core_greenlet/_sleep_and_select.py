"""Functions that wait in the caller's way: a greenlet parks, a thread blocks.

Sockets, queues and ``sleep`` use them. They have no handler to ask.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import greenlet  # type: ignore[import-untyped]

from handler_core.execution import ThreadWaiter, Waiter
from handler_core.network import FileObject, SelectLists, blocking_select, checked_timeout
from handler_core_greenlet._hub import running_hub

__all__ = ["new_waiter", "select", "sleep"]


def new_waiter() -> Waiter:
    """Return a waiter for this greenlet, or for this thread if it runs no loop.

    Raises:
        RuntimeError: the caller runs the event loop and may not block.
    """
    hub = running_hub()
    return ThreadWaiter() if hub is None else hub.new_waiter(greenlet.getcurrent())


def sleep(seconds: float) -> None:
    """Block the caller for so many seconds, while others run; with 0, let them run once.

    Raises:
        ValueError: the time is negative.
        RuntimeError: the caller runs the event loop and may not block.
    """
    hub = running_hub()
    if hub is None or seconds < 0:
        time.sleep(seconds)  # raises if it is negative
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
    hub = running_hub()
    if hub is None:
        return blocking_select(rlist, wlist, xlist, timeout)
    current: Any = greenlet.getcurrent()
    return hub.select(current, rlist, wlist, xlist, timeout)
