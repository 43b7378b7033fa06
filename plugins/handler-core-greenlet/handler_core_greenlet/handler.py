"""``LoopHandler``: what a handler on an event loop is made of, less the loop."""

from __future__ import annotations

import _thread
import contextvars
from collections.abc import Callable, Coroutine, Sequence
from types import ModuleType
from typing import Any, ClassVar

import greenlet  # type: ignore[import-untyped]

from handler_core.green import GreenHandler
from handler_core.lifecycle import Task
from handler_core.parking import Waiter
from handler_core.selecting import FileObject, SelectLists, checked_timeout
from handler_core_greenlet import socket
from handler_core_greenlet.connection import LoopConnection
from handler_core_greenlet.forking import live_on_alone
from handler_core_greenlet.hub import LoopHub, leave_hubs_to_parent, running_hub
from handler_core_greenlet.queues import Empty, Queue
from handler_core_greenlet.waiting import sleep, thread_waiter

__all__ = ["LoopHandler"]


class LoopHandler(GreenHandler):
    """The base of a handler whose greenlets run on an event loop.

    A subclass says which loop runs the caller (``current_hub``) and how to run a coroutine where
    there is no greenlet that could wait for it, and marks the hooks (``select`` by
    ``select_in_hub``).
    """

    socket_module: ClassVar[ModuleType] = socket
    connection_class = LoopConnection
    sleep_func = staticmethod(sleep)
    queue_impl = Queue
    queue_empty = Empty
    native_lock = staticmethod(_thread.allocate_lock)

    def current_task(self) -> Any:
        """Return the current greenlet."""
        return greenlet.getcurrent()

    def new_waiter(self) -> Waiter:
        """Return a waiter for this greenlet, or for this thread if it runs no loop."""
        hub = self.current_hub()
        return thread_waiter() if hub is None else hub.new_waiter(greenlet.getcurrent())

    def select_in_hub(
        self,
        rlist: Sequence[FileObject],
        wlist: Sequence[FileObject],
        xlist: Sequence[FileObject],
        timeout: float | None,
    ) -> SelectLists:
        """Wait as ``select.select`` does, while other greenlets and the loop run."""
        hub = running_hub()
        if hub is None:
            return super().select_in_hub(rlist, wlist, xlist, timeout)
        timeout = checked_timeout(timeout)
        if len(wlist) == 1 and not rlist and not xlist:
            # Before each request a client asks if there is room for it, and mostly there is.
            (connection,) = wlist
            if isinstance(connection, LoopConnection) and connection.has_room(hub):
                return [], [connection], []
        return hub.select(greenlet.getcurrent(), rlist, wlist, xlist, timeout)

    def finish_callback(self, outcome: object) -> None:
        """Await what a callback has returned, if that is a coroutine."""
        if outcome is not None and isinstance(outcome, Coroutine):
            hub = self.current_hub()
            if isinstance(hub, LoopHub) and hub.may_park(greenlet.getcurrent()):
                callback = _Callback(self)
                token = _inside.set(callback)
                try:
                    hub.run_coroutine(outcome)
                finally:
                    callback.handler = None
                    _inside.reset(token)
            else:
                self.run_coroutine_elsewhere(outcome)

    def _in_worker(self) -> bool:
        callback = _inside.get()
        return super()._in_worker() or (callback is not None and callback.handler is self)

    def run_coroutine_elsewhere(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine for a caller that is no greenlet: the loop itself, or another thread.

        In the loop, this starts it; in another thread, it waits for its end.
        """
        raise NotImplementedError

    def watch_home(self, waiter: Waiter) -> bool:
        """Wake ``waiter`` if the loop ends; False if it has ended already."""
        home = self._home
        if isinstance(home, LoopHub) and home.is_in_this_thread() and not home.is_running():
            if not home.has_ended():
                raise RuntimeError(
                    "the event loop that this handler was started in does not run: stop the "
                    "handler while it does, by `await handler.call(handler.stop)` or "
                    "`async with handler:`"
                )
            # Its thread lives on, though, and waits here: what is left runs in another loop.
            self._callbacks.retire()
            self._completions.retire()
            self._home = None
        return super().watch_home(waiter)

    def spawn_worker(self, func: Callable[..., object], *args: Any) -> Task:
        """Run a worker in the home loop."""
        if self._home is None:
            self._home = self._hub_for_tasks()
        return super().spawn_worker(func, *args)

    def _after_fork_in_child(self) -> None:
        leave_hubs_to_parent()
        super()._after_fork_in_child()

    def _end_inherited_tasks(self) -> None:
        live_on_alone()
        self._tasks.end_inherited(_never)


class _Callback:
    """A callback that is a coroutine. It runs in a task, and not in the worker that waits for it.

    What it starts inherits its context, and may outlive it: then it is nobody's callback.
    """

    def __init__(self, handler: LoopHandler) -> None:
        #: Whose callback it is; None when it has ended.
        self.handler: LoopHandler | None = handler


_inside: contextvars.ContextVar[_Callback | None] = contextvars.ContextVar("_inside", default=None)


def _never(func: object) -> None:
    """Stand in for a loop, which in a forked child does not run."""
