"""What happens at fork, on an event loop.

The child has a copy of the parent's loop, and shares the loop's epoll and the pipe that wakes it
with the parent. A turn of the loop in the child would take the parent's events. So the loop gets
no further turn there. Only the greenlet that has forked goes on. It blocks where it waits, as a
thread does, and it may run a loop of its own. When it ends, the child ends, after what it has
dispatched has run.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import greenlet  # type: ignore[import-untyped]

from handler_core.execution import running_handlers
from handler_core_greenlet._hub import TaskGreenlet, all_hubs

__all__ = ["leave_hubs_to_parent", "live_on_alone", "runs_alone"]


def leave_hubs_to_parent() -> None:
    """Let no hub be taken for one of this process. Only a forked child calls this."""
    for hub in all_hubs():
        hub.leave_to_parent()


def live_on_alone() -> None:
    """Keep the task that has forked from ever returning to the loop. In a forked child."""
    survivor = _current_task()
    if isinstance(survivor, TaskGreenlet) and survivor.hub is not None:
        survivor.hub = None
        end = _End(_end_of_child, survivor.parent)
        end.switch(greenlet.getcurrent())
        survivor.set_parent(end)


def runs_alone() -> bool:
    """Return True in a task that has forked this process, and in what follows its end.

    No other greenlet of its thread runs.
    """
    task = _current_task()
    return task is not None and task.hub is None


def _current_task() -> TaskGreenlet | _End | None:
    current: Any = greenlet.getcurrent()
    while current is not None and not isinstance(current, (TaskGreenlet, _End)):
        current = current.parent  # called code may make greenlets of its own
    return current


class _End(greenlet.greenlet):  # type: ignore[misc]
    """The greenlet that ends a child when the task that has forked it has ended."""

    hub = None


def _end_of_child(current: Any) -> None:
    status = 0
    try:
        current.switch()  # it comes back when the task has ended
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    for handler in running_handlers():
        handler.stop()
    # A process lasts as long as its threads, but for its daemon threads.
    for thread in threading.enumerate():
        if not thread.daemon and not _is_this_thread(thread):
            thread.join()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _is_this_thread(thread: threading.Thread) -> bool:
    """Return True for the thread that has forked, which is the main thread of the child.

    In a patched process a greenlet may have a thread object of its own. eventlet has two objects
    for the main thread, of two classes.
    """
    this = (threading.current_thread(), threading.main_thread())
    return thread in this or type(thread).__name__ == "_MainThread"
