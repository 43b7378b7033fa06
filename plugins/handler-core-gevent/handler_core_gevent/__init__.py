"""gevent as a concurrency model: each task a greenlet, each wait a switch to the hub.

It works in a process that gevent has patched and in one that it has not. What must be native in
both (the locks that keep other threads of the operating system out) is taken as it was before
patching.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gevent
import gevent.event
import gevent.hub
import gevent.queue
import gevent.select
import gevent.socket
from gevent import monkey

import handler_core
from handler_core import HandlerTimeoutError, hookimpl
from handler_core.green import GreenHandler, Hub

__all__ = ["AsyncResult", "GeventTimeoutError", "SequentialGeventHandler"]

_get_ident = monkey.get_original("_thread", "get_ident")


class GeventTimeoutError(HandlerTimeoutError):
    """A wait was over before what it waited for had come."""


class AsyncResult(handler_core.AsyncResult[Any]):
    """The result of a gevent handler; without a handler, one whose waits let the hub run."""

    __slots__ = ()


class _Greenlet(gevent.Greenlet):
    """A greenlet that remembers who has killed it."""

    killed_by: BaseException | None = None

    def kill(self, exception: Any = gevent.GreenletExit, *args: Any, **kwargs: Any) -> None:
        """Raise the exception in the greenlet, as one that comes from outside."""
        if isinstance(exception, type):
            exception = exception()
        if gevent.getcurrent() is not self:
            self.killed_by = exception
        super().kill(exception, *args, **kwargs)


class _Hub(Hub):
    """gevent's hub of one thread."""

    def __init__(self, hub: gevent.hub.Hub) -> None:
        super().__init__(monkey.get_original("_thread", "_local"))
        self._hub = hub
        # While it is started, gevent does not take the loop for one that nothing can wake.
        self._keeper = hub.loop.async_()
        self._parked = 0

    @property
    def greenlet(self) -> Any:
        return self._hub

    def is_mine(self) -> bool:
        return gevent._hub_local.get_hub_if_exists() is self._hub

    def spawn(self, func: Callable[[], object]) -> None:
        _Greenlet.spawn(func)

    def call_soon(self, func: Callable[[], object]) -> None:
        self._hub.loop.run_callback(func)

    def call_soon_threadsafe(self, func: Callable[[], object]) -> None:
        self._hub.loop.run_callback_threadsafe(func)

    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        timer = self._hub.loop.timer(seconds)
        timer.start(func, update=True)
        return timer.close

    def add_reader(self, fd: int, func: Callable[[], object]) -> Callable[[], None]:
        watcher = self._hub.loop.io(fd, 1)
        watcher.start(func)
        return watcher.close

    def switch(self) -> None:
        self._parked += 1
        if self._parked == 1:
            self._keeper.start(_nothing)
        try:
            self._hub.switch()
        finally:
            self._parked -= 1
            if not self._parked:
                self._keeper.stop()


class SequentialGeventHandler(GreenHandler):
    """Runs callbacks in two greenlets of the thread that called ``start``."""

    name = "gevent"
    timeout_exception = GeventTimeoutError
    socket_module = gevent.socket
    sleep_func = staticmethod(gevent.sleep)
    queue_impl = gevent.queue.Queue
    queue_empty = gevent.queue.Empty
    native_lock = staticmethod(monkey.get_original("_thread", "allocate_lock"))

    @classmethod
    def is_active(cls) -> bool:
        """Return True if gevent has patched this process, or runs this greenlet."""
        if monkey.is_module_patched("socket") or monkey.is_module_patched("threading"):
            return True
        greenlet, hub = gevent.getcurrent(), gevent._hub_local.get_hub_if_exists()
        while greenlet is not None and greenlet is not hub:
            greenlet = greenlet.parent
        return greenlet is not None

    @classmethod
    def current_hub(cls) -> _Hub | None:
        """Return this thread's hub; it is made for the main thread only."""
        hub = gevent._hub_local.get_hub_if_exists()
        if hub is None:
            if _get_ident() != gevent.hub.MAIN_THREAD_IDENT:
                return None
            hub = gevent.get_hub()
        try:
            return hub.handler_core
        except AttributeError:
            hub.handler_core = _Hub(hub)
            return hub.handler_core

    def current_task(self) -> Any:
        """Return the current greenlet."""
        return gevent.getcurrent()

    def is_kill(self, exception: BaseException) -> bool:
        """Return True if the worker was killed by this exception, from outside."""
        killed_by = getattr(gevent.getcurrent(), "killed_by", None)
        return exception is killed_by or super().is_kill(exception)

    def deliver_exit(self, exception: BaseException) -> None:
        """Raise a callback's ``KeyboardInterrupt`` or ``SystemExit`` in the main greenlet."""
        hub = gevent.get_hub()
        hub.handle_system_error(type(exception), exception, exception.__traceback__)

    @hookimpl
    def start(self) -> None:
        """Begin to run callbacks, in greenlets of this thread."""
        super().start()

    @hookimpl
    def stop(self) -> None:
        """Run what was dispatched, then end."""
        super().stop()

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

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        """Queue a callback to run."""
        super().dispatch_callback(callback)

    def _end_inherited_tasks(self) -> None:
        gevent.reinit()
        super()._end_inherited_tasks()


def _nothing() -> None:
    """Be called."""


AsyncResult.detached = SequentialGeventHandler()
