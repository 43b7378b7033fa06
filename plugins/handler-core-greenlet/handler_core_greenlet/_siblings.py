"""The greenlets of gevent or eventlet in the loop's thread, in a process that they have patched.

There the loop sleeps in a patched ``select``. It switches to the hub of the library, and the hub
runs the library's other greenlets. They are siblings of the greenlet that runs the loop. A sibling
may wait, since it does not stop the loop. It waits as a thread of that library does.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from typing import Any

import greenlet  # type: ignore[import-untyped]

from handler_core.execution import ThreadWaiter
from handler_core.green import GreenWaiter
from handler_core_greenlet._native import threads_are_green

__all__ = [
    "SiblingWaiter",
    "is_hub_of_eventlet",
    "is_stray",
    "keep_strays_out",
    "thread_has_siblings",
]


class SiblingWaiter(GreenWaiter):
    """Parks a sibling of the greenlet that runs the loop. The loop wakes it."""

    __slots__ = ("_thread_waiter",)

    def __init__(self, hub: Any, greenlet: Any) -> None:
        super().__init__(hub, greenlet)
        self._thread_waiter = ThreadWaiter()  # on a patched lock

    def park(self, timeout: float | None = None) -> bool:
        """Let other greenlets run until :meth:`wake`, for ``timeout`` seconds at the most."""
        return self._thread_waiter.park(timeout)

    def await_readable(self, fd: int, timeout: float | None) -> None:
        """Let other greenlets run until ``fd`` is readable, for ``timeout`` seconds at the most."""
        select.select([fd], [], [], timeout)

    def _resume(self) -> None:
        self._thread_waiter.wake()


def thread_has_siblings() -> bool:
    """Return True in a thread that runs greenlets of the library.

    In a patched process the main thread does. Any other OS thread may block.
    """
    return threads_are_green() and threading.get_native_id() == _main_thread


def is_stray(resumed: Any) -> bool:
    """Return True if eventlet's hub resumes a greenlet that does not wait in that hub.

    If several descriptors are ready at once, eventlet's ``select`` resumes its caller once for each
    of them. By the second time the caller may have gone on, and may wait for something else.

    Args:
        resumed: a greenlet of this thread. It is about to be resumed by the current one.
    """
    hub = _hub_of_eventlet()
    if hub is None or greenlet.getcurrent() is not hub.greenlet:
        return False
    frame = resumed.gr_frame
    return frame is None or frame.f_code is not type(hub).switch.__code__


def keep_strays_out(loop: Any) -> None:
    """Have eventlet resume the greenlet that runs the loop only where it waits in eventlet's hub.

    Or else the loop would go on before the task to which it has switched comes back. When the task
    comes back, the loop would be in its next ``select``, which would end with nothing.
    """
    if is_hub_of_eventlet(loop) or hasattr(loop, "_keeps_strays_out"):
        return
    switch = loop.switch

    def switch_if_expected(*args: Any, **kwargs: Any) -> Any:
        return None if is_stray(loop) else switch(*args, **kwargs)

    loop.switch = switch_if_expected
    loop._keeps_strays_out = True


def is_hub_of_eventlet(loop: Any) -> bool:
    """Return True if the greenlet that runs the loop runs eventlet's hub by it."""
    hub = _hub_of_eventlet()
    return hub is not None and loop is hub.greenlet


def _hub_of_eventlet() -> Any:
    """Return eventlet's hub of this thread, or None if it has none."""
    library = sys.modules.get("eventlet.hubs")
    return getattr(getattr(library, "_threadlocal", None), "hub", None)


# eventlet does not patch `get_native_id`.
_main_thread = threading.main_thread().native_id


def _after_fork_in_child() -> None:
    global _main_thread
    _main_thread = threading.get_native_id()


os.register_at_fork(after_in_child=_after_fork_in_child)
