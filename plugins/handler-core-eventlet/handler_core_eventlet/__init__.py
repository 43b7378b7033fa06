"""eventlet as a concurrency model: each task is a green thread, and each wait runs the hub.

It works whether eventlet has patched the process or not. In both cases OS threads may use the
handler too: the modules ``_hub`` and ``_doorbell`` say how they wake a greenlet.
"""

from __future__ import annotations

import _socket
import math
from collections.abc import Sequence
from typing import Any

import eventlet  # type: ignore[import-untyped]
import eventlet.queue  # type: ignore[import-untyped]
import greenlet  # type: ignore[import-untyped]
from eventlet import patcher
from eventlet.green import socket  # type: ignore[import-untyped]

import handler_core
from handler_core import HandlerTimeoutError, hookimpl, inherit_hook, wrap
from handler_core.green import GreenHandler, distance_to_hub
from handler_core.network import AddressInfo, watch_closed_descriptors
from handler_core_eventlet._hub import EventletHub, library_hub, resume_who_waits
from handler_core_eventlet._task_greenlet import TaskGreenlet

__all__ = ["AsyncResult", "SequentialEventletHandler", "TimeoutError"]

_native_thread = patcher.original("_thread")


class TimeoutError(HandlerTimeoutError):
    """A wait timed out. This is not the builtin exception of the same name."""


class AsyncResult(handler_core.AsyncResult[Any]):
    """The result of an eventlet handler. Without a handler, a wait for it runs the hub."""

    __slots__ = ()


class Queue(eventlet.queue.Queue):  # type: ignore[misc]
    """eventlet's queue, but unlimited if ``maxsize`` is 0, as in the standard library.

    The green threads of one hub may use it, as with eventlet's own.
    """

    def __init__(self, maxsize: int | None = None) -> None:
        super().__init__(maxsize or None)


class LifoQueue(eventlet.queue.LifoQueue):  # type: ignore[misc]
    """The same, and it gives the last item first."""

    def __init__(self, maxsize: int | None = None) -> None:
        super().__init__(maxsize or None)


class SequentialEventletHandler(GreenHandler):
    """Runs callbacks on two green threads, which start when they have something to run."""

    name = "eventlet"
    timeout_exception = TimeoutError
    socket_module = socket
    sleep_func = staticmethod(eventlet.sleep)
    queue_impl = Queue
    lifo_queue_impl = LifoQueue
    queue_empty = eventlet.queue.Empty
    native_lock = staticmethod(_native_thread.allocate_lock)

    @classmethod
    def is_active(cls) -> bool:
        """Return True if eventlet has patched this process, or runs the caller."""
        return (
            patcher.is_monkey_patched("thread")
            or patcher.is_monkey_patched("socket")
            or cls.distance_to_caller() < math.inf
        )

    @classmethod
    def distance_to_caller(cls) -> float:
        """Return how far up the hub is; infinity if eventlet has only patched this process."""
        hub = library_hub()
        return distance_to_hub(greenlet.getcurrent(), None if hub is None else hub.greenlet)

    @classmethod
    def current_hub(cls, make: bool = False) -> EventletHub | None:
        """Return this thread's hub. The main thread gets one, others if ``make`` is true."""
        return EventletHub.current(make)

    def current_task(self) -> greenlet.greenlet:
        """Return the current greenlet."""
        return greenlet.getcurrent()

    start = inherit_hook(GreenHandler.start)
    stop = inherit_hook(GreenHandler.stop)
    dispatch_callback = inherit_hook(GreenHandler.dispatch_callback)

    @hookimpl
    def select(
        self,
        rlist: Sequence[Any],
        wlist: Sequence[Any],
        xlist: Sequence[Any],
        timeout: float | None,
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Wait for descriptors; see :meth:`handler_core.Handler.select`."""
        return self.select_in_hub(rlist, wlist, xlist, timeout)

    @hookimpl
    def callback_object(self) -> AsyncResult:
        """Return a new, pending result."""
        return AsyncResult(self)

    def look_up(self, host: Any, port: Any, timeout: float | None) -> Sequence[AddressInfo]:
        """Look the addresses of a host up, while other green threads run.

        The system's resolver looks them up, in an OS thread. eventlet's own resolver does not
        know all that the system's knows. If a user has switched it off, eventlet uses one that
        stops the hub.
        """
        result = AsyncResult(self)
        question = (host, port, 0, socket.SOCK_STREAM)
        _native_thread.start_new_thread(wrap(result)(_socket.getaddrinfo), question)
        infos: Sequence[AddressInfo] = result.get(timeout=timeout)
        return infos

    def is_kill(self, exception: BaseException) -> bool:
        """Return True for a ``GreenletExit`` that was thrown into the worker."""
        current = greenlet.getcurrent()
        return (
            isinstance(exception, greenlet.GreenletExit)
            and isinstance(current, TaskGreenlet)
            and current.killed
        )

    def deliver_exit(self, exception: BaseException) -> None:
        """Raise it in the hub, which raises it in the main greenlet of its thread."""

        def fail() -> None:
            raise exception

        hub = self.current_hub()
        assert hub is not None
        hub.call_soon(fail)

    def after_fork_in_child(self) -> None:
        """Become empty and stopped; see :meth:`handler_core.Handler.after_fork_in_child`."""
        EventletHub.after_fork_in_child()
        super().after_fork_in_child()


AsyncResult.detached = SequentialEventletHandler()
watch_closed_descriptors(resume_who_waits)
