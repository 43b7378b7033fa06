"""What happens at fork, on an event loop.

The child has a copy of the parent's loop, and shares the loop's epoll and the pipe that wakes it
with the parent. A turn of the loop in the child would take the parent's events. So the loop gets
no further turn there. Only the greenlet that has forked goes on. It blocks where it waits, as a
thread does. When it ends, the child ends, as a process does when its last thread has ended.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import greenlet  # type: ignore[import-untyped]

from handler_core_greenlet._hub import TaskGreenlet, all_hubs

__all__ = ["is_inherited", "leave_hubs_to_parent", "live_on_alone"]


def leave_hubs_to_parent() -> None:
    """Let no hub be taken for one of this process. Only a forked child calls this."""
    for hub in all_hubs():
        hub.leave_to_parent()


def live_on_alone() -> None:
    """Keep the current greenlet from ever returning to the loop. Only a forked child calls this."""
    survivor = greenlet.getcurrent()
    if isinstance(survivor, TaskGreenlet) and survivor.hub is not None:
        survivor.hub = None
        end = greenlet.greenlet(_end_of_child, survivor.parent)
        end.switch(survivor)
        survivor.parent = end


def is_inherited(current: Any) -> bool:
    """Return True in a forked child for a greenlet of the parent, unless it has forked itself."""
    return isinstance(current, TaskGreenlet) and current.hub is not None and current.hub.is_forked()


def _end_of_child(survivor: Any) -> None:
    status = 0
    try:
        survivor.switch()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    # A process lasts as long as its other threads, also when the thread that has forked has ended.
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
