"""Which greenlet runs the loop.

asyncio knows one running loop for each OS thread. It does not know in which greenlet of the thread
the loop runs. That may be one greenlet of gevent beside others, or the hub of eventlet. The stack
of a greenlet tells. The greenlet that runs the loop has the frame of the loop's own method on its
stack, and the frame of the task that the loop runs now.

The methods of uvloop are C, and have no frames. There the task tells. A callback that is no task
has the frame of the function below, which has called the loop's method. The names in its code tell
that. They do not tell it where C code has called that method. So if the thread has no hub, its
first greenlet counts as the one that runs the loop.
"""

from __future__ import annotations

import asyncio
import math
import sys
from types import FrameType, FunctionType
from typing import Any

import greenlet  # type: ignore[import-untyped]
from handler_core_greenlet import TaskGreenlet

__all__ = ["distance_to_loop", "runs_loop"]

# The methods that run a loop.
_RUN = {"run_forever", "run_until_complete"}


def distance_to_loop(loop: asyncio.AbstractEventLoop) -> float:
    """Return how many greenlets the current one is away from the loop of its thread.

    Returns:
        0 in the greenlet that runs the loop, and in a handler's task. 1 in a greenlet that was made
        in one of them, and so on. Infinity in a greenlet of gevent or eventlet: its hub is between
        it and the loop.
    """
    hub = _hub_of_eventlet()
    hubs = _hubs_of_thread()
    steps, candidate = 0, greenlet.getcurrent()
    while candidate is not None:
        if _is_task(candidate, loop) or runs_loop(candidate, loop):
            if not steps or hub is None or candidate is not hub.greenlet:
                return steps
            # The hub is the loop. A green thread is a child of its greenlet too, and no more a part
            # of the loop than a greenlet of gevent is. What a coroutine has made there is nearer to
            # the loop.
            return math.inf if _runs_task_of(hub, loop) else steps - 1
        if candidate in hubs:
            break
        candidate = candidate.parent
        steps += 1
    return math.inf


def runs_loop(candidate: Any, loop: asyncio.AbstractEventLoop) -> bool:
    """Return True if a greenlet runs the loop.

    Args:
        candidate: a greenlet of this thread.
        loop: the loop that runs in this thread.
    """
    task_frame = _frame_of_task(loop)
    is_python = isinstance(type(loop).run_forever, FunctionType)
    # The current greenlet has no `gr_frame`, because it is not suspended. The frame of this
    # function is left out: its code has the names, too.
    current = candidate is greenlet.getcurrent()
    frame: FrameType | None = sys._getframe(1) if current else candidate.gr_frame
    while frame is not None:
        if frame is task_frame:
            return True
        if is_python:
            if _is_method_of(loop, frame):
                return True
        elif task_frame is None and not _RUN.isdisjoint(frame.f_code.co_names):
            return True
        frame = frame.f_back
    # C code has called the method: `Thread(target=loop.run_forever)`, for example. Without a hub,
    # the thread runs nothing else.
    c_called = not is_python and task_frame is None and candidate.parent is None
    return c_called and not _hubs_of_thread()


def _is_task(candidate: Any, loop: asyncio.AbstractEventLoop) -> bool:
    """Return True if this is the greenlet of a handler's task in that loop."""
    return isinstance(candidate, TaskGreenlet) and getattr(candidate.hub, "loop", None) is loop


def _hubs_of_thread() -> list[Any]:
    """Return the greenlets that run the hubs of gevent and eventlet in this thread."""
    gevent, hub = sys.modules.get("gevent._hub_local"), _hub_of_eventlet()
    hubs = [gevent and gevent.get_hub_if_exists(), hub and hub.greenlet]
    return [each for each in hubs if each is not None]


def _hub_of_eventlet() -> Any:
    """Return eventlet's hub of this thread, or None if it has none."""
    library = sys.modules.get("eventlet.hubs")
    return getattr(getattr(library, "_threadlocal", None), "hub", None)


def _runs_task_of(hub: Any, loop: asyncio.AbstractEventLoop) -> bool:
    """Return True if the loop runs no task, or that in which eventlet's hub does its work."""
    frame = _frame_of_task(loop)
    return frame is None or frame.f_globals.get("__name__") == type(hub).__module__


def _frame_of_task(loop: asyncio.AbstractEventLoop) -> FrameType | None:
    """Return the frame of the task that the loop runs now; None if it runs none."""
    task = asyncio.current_task(loop)
    frame: FrameType | None = None if task is None else getattr(task.get_coro(), "cr_frame", None)
    return frame


def _is_method_of(loop: asyncio.AbstractEventLoop, frame: FrameType) -> bool:
    """Return True if this is the frame of a method that runs the loop."""
    code = frame.f_code
    return (
        code.co_name in _RUN
        and code.co_argcount > 0
        and frame.f_locals.get(code.co_varnames[0]) is loop
    )
