"""gevent as a concurrency model: each task a greenlet, each wait a switch to the hub.

Works in a process that gevent has patched and in one that it has not, and there also for the
threads of the operating system: see ``handler_core_gevent.hub``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gevent  # type: ignore[import-untyped]
import gevent.queue  # type: ignore[import-untyped]
from gevent import monkey, socket
from gevent._hub_local import get_hub_if_exists  # type: ignore[import-untyped]

import handler_core
from handler_core import HandlerTimeoutError, hookimpl, inherit_hook
from handler_core.green import GreenHandler
from handler_core_gevent.hub import GeventHub

__all__ = ["AsyncResult", "GeventTimeoutError", "SequentialGeventHandler"]


class GeventTimeoutError(HandlerTimeoutError):
    """A wait was over before what it waited for had come. It is no ``gevent.Timeout``."""


class AsyncResult(handler_core.AsyncResult[Any]):
    """The result of a gevent handler; without a handler, one whose waits run the hub."""

    __slots__ = ()


class SequentialGeventHandler(GreenHandler):
    """Runs callbacks on two greenlets, which start when there is something to run."""

    name = "gevent"
    timeout_exception = GeventTimeoutError
    socket_module = socket
    sleep_func = staticmethod(gevent.sleep)
    queue_impl = gevent.queue.Queue
    queue_empty = gevent.queue.Empty
    native_lock = staticmethod(monkey.get_original("_thread", "allocate_lock"))

    @classmethod
    def is_active(cls) -> bool:
        """Return True if gevent has patched this process, or runs the caller."""
        if monkey.is_module_patched("threading") or monkey.is_module_patched("socket"):
            return True
        hub = get_hub_if_exists()
        ancestor: Any = None if hub is None else gevent.getcurrent()
        while ancestor is not None and ancestor is not hub:
            ancestor = ancestor.parent
        return ancestor is not None

    @classmethod
    def current_hub(cls, make: bool = False) -> GeventHub | None:
        """Return the hub of this thread, which the main thread gets, others if ``make`` is true."""
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
        """Return True if the worker was killed by this exception, from outside."""
        killed_by = getattr(gevent.getcurrent(), "killed_by", None)
        return exception is killed_by or super().is_kill(exception)

    def deliver_exit(self, exception: BaseException) -> None:
        """Raise it in the main greenlet of this thread, as gevent does with that of any other."""
        hub = get_hub_if_exists()
        if hub is None:  # the worker is a thread that has stopped the handler
            super().deliver_exit(exception)
        else:
            hub.handle_system_error(type(exception), exception, exception.__traceback__)

    def end_inherited_tasks(self) -> None:
        """End the tasks of the parent process. Called in a forked child, inside ``fork``."""
        gevent.reinit()  # does nothing where there is no hub
        super().end_inherited_tasks()


AsyncResult.detached = SequentialGeventHandler()
