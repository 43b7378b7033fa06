"""gevent as a concurrency model: each task is a greenlet, and each wait runs the hub.

It works whether gevent has patched the process or not. In both cases OS threads may use the
handler too: the module ``_hub`` says how they wake a greenlet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import gevent  # type: ignore[import-untyped]
import gevent.queue  # type: ignore[import-untyped]
from gevent import monkey, socket
from gevent._hub_local import get_hub_if_exists  # type: ignore[import-untyped]

import handler_core
from handler_core import HandlerTimeoutError, hookimpl, inherit_hook
from handler_core.green import GreenHandler, distance_to_hub
from handler_core.network import watch_closed_descriptors
from handler_core_gevent._hub import GeventHub, wake_other_hubs
from handler_core_gevent._queue import LifoQueue, Queue

__all__ = ["AsyncResult", "GeventTimeoutError", "SequentialGeventHandler"]


class GeventTimeoutError(HandlerTimeoutError):
    """A wait timed out. This is an ordinary exception, and not a ``gevent.Timeout``."""


class AsyncResult(handler_core.AsyncResult[Any]):
    """The result of a gevent handler. Without a handler, a wait for it runs the hub."""

    __slots__ = ()


class SequentialGeventHandler(GreenHandler):
    """Runs callbacks on two greenlets, which start when they have something to run."""

    name = "gevent"
    timeout_exception = GeventTimeoutError
    socket_module = socket
    sleep_func = staticmethod(gevent.sleep)
    queue_impl = Queue
    lifo_queue_impl = LifoQueue
    queue_empty = gevent.queue.Empty
    native_lock = staticmethod(monkey.get_original("_thread", "allocate_lock"))

    @classmethod
    def is_active(cls) -> bool:
        """Return True if gevent has patched this process, or runs the caller."""
        return (
            monkey.is_module_patched("threading")
            or monkey.is_module_patched("socket")
            or cls.distance_to_caller() < math.inf
        )

    @classmethod
    def distance_to_caller(cls) -> float:
        """Return how far up the hub is; infinity if gevent has only patched this process."""
        return distance_to_hub(gevent.getcurrent(), get_hub_if_exists())

    @classmethod
    def current_hub(cls, make: bool = False) -> GeventHub | None:
        """Return this thread's hub. The main thread gets one, others if ``make`` is true."""
        return GeventHub.current(make)

    def current_task(self) -> Any:
        """Return the current greenlet."""
        return gevent.getcurrent()

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

    def is_kill(self, exception: BaseException) -> bool:
        """Return True if another greenlet has killed the worker by this exception."""
        return exception is getattr(gevent.getcurrent(), "killed_by", None)

    def deliver_exit(self, exception: BaseException) -> None:
        """Raise it in the main greenlet of this thread, as gevent does for any greenlet."""
        hub = get_hub_if_exists()
        if hub is None:  # a thread without a hub has called `stop` and runs the callbacks itself
            super().deliver_exit(exception)
        else:
            hub.handle_system_error(type(exception), exception, exception.__traceback__)

    def freeze_inherited_tasks(self) -> None:
        """Let the tasks of the parent process stand still, for ever."""
        gevent.reinit()  # it does nothing in a thread without a hub
        super().freeze_inherited_tasks()


AsyncResult.detached = SequentialGeventHandler()
watch_closed_descriptors(wake_other_hubs)
