"""What becomes of a greenlet that forks.

In the child it is the only task that lives on, and the loop below it is the parent's: they share
its epoll and the pipe that wakes it, so a turn of the loop in the child would take the parent's
events. So the loop gets no further turn there. The greenlet goes on as a thread would, blocking
where it waits; at its end the child ends as a process does whose last thread has ended.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import greenlet  # type: ignore[import-untyped]

from handler_core_greenlet.hub import TaskGreenlet

__all__ = ["is_inherited", "live_on_alone"]


def live_on_alone() -> None:
    """See to it that the current greenlet never comes back to the loop. In the child."""
    survivor = greenlet.getcurrent()
    if isinstance(survivor, TaskGreenlet) and survivor.hub is not None:
        survivor.hub = None
        end = greenlet.greenlet(_end_of_child, survivor.parent)
        end.switch(survivor)
        survivor.parent = end


def is_inherited(current: Any) -> bool:
    """Return True for a greenlet of the parent's, but the one that has forked. In the child."""
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
    # As the process of a thread that has forked, and has ended: it lasts as long as the others.
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
