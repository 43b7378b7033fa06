"""``LoopHandler``: what a handler on an event loop is made of, less the loop."""

from __future__ import annotations

import _thread
import contextvars
import functools
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractContextManager
from types import ModuleType, TracebackType
from typing import Any, ClassVar, Self, TypeVar

import greenlet  # type: ignore[import-untyped]

from handler_core.execution import AsyncResult, Task, Waiter
from handler_core.green import GreenHandler
from handler_core.network import FileObject, SelectLists, checked_timeout
from handler_core_greenlet import socket
from handler_core_greenlet.calling import Calling
from handler_core_greenlet.connection import LoopConnection
from handler_core_greenlet.forking import live_on_alone
from handler_core_greenlet.hub import LoopHub, leave_hubs_to_parent, running_hub
from handler_core_greenlet.private import PrivateLoop
from handler_core_greenlet.queues import Empty, Queue
from handler_core_greenlet.strand import Strand
from handler_core_greenlet.waiting import sleep, thread_waiter

__all__ = ["LoopHandler"]

T = TypeVar("T")


class LoopHandler(GreenHandler):
    """The base of a handler whose greenlets run on an event loop.

    A subclass names the class of its hub and its private loop, and marks the hooks (``select`` by
    ``select_in_hub``).
    """

    #: The loop as a hub.
    hub_class: ClassVar[type[LoopHub]]

    #: What runs the tasks of a program that runs no loop.
    private_loop: ClassVar[PrivateLoop]

    socket_module: ClassVar[ModuleType] = socket
    connection_class = LoopConnection
    sleep_func = staticmethod(sleep)
    queue_impl = Queue
    queue_empty = Empty
    native_lock = staticmethod(_thread.allocate_lock)

    # For coroutines.

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.call(self.stop)

    async def call(self, func: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Call a function that blocks, in a greenlet; return or raise what it does.

        It sees the context variables of the caller. To cancel this raises the loop's own exception
        (``asyncio.CancelledError``) in the function, where it waits, and waits until it has ended.

        Raises:
            RuntimeError: no loop of this model runs the coroutine.
        """
        call = functools.partial(func, *args, **kwargs)
        value: T = await self._new_strand().call(call, last=True)
        return value

    def calling(self, manager: AbstractContextManager[T]) -> Calling[T]:
        """Return a context manager that blocks as one for ``async with``.

        It is entered and left in one greenlet.

        Raises:
            RuntimeError: no loop of this model runs the coroutine.
        """
        return Calling(manager, self._new_strand())

    def _new_strand(self) -> Strand:
        hub = self.hub_class.current()
        if hub is None:
            raise RuntimeError(
                f"no {self.name} loop runs this coroutine: choose the handler of the library that "
                "does, by get_handler()"
            )
        return Strand(hub)

    # Where the caller is, and how it waits.

    @classmethod
    def current_hub(cls, make: bool = False) -> LoopHub | None:
        """Return the hub of the loop in this thread; that of the private loop if ``make``."""
        hub = cls.hub_class.current()
        return cls.private_loop.hub() if hub is None and make else hub

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

    # Callbacks.

    def finish_callback(self, outcome: object) -> None:
        """Await what a callback has returned, if that is a coroutine.

        The loop itself, which calls the links of a stopped handler's results, only starts it.
        """
        if outcome is None or not isinstance(outcome, Coroutine):
            return
        hub = self.current_hub()
        if hub is None:
            self._await_in_loop(outcome)
        elif hub.may_park(greenlet.getcurrent()):
            callback = _Callback(self)
            token = _inside.set(callback)
            try:
                hub.run_coroutine(outcome)
            finally:
                callback.handler = None
                _inside.reset(token)
        else:
            hub.spawn(functools.partial(hub.run_coroutine, outcome))

    def _await_in_loop(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Have a loop await a coroutine, and wait for that, in a thread that runs none."""
        hub = self._hub_for_tasks()
        assert isinstance(hub, LoopHub)
        result: AsyncResult[Any] = AsyncResult(self)

        def run() -> None:
            try:
                result.set(hub.run_coroutine(coroutine))
            except BaseException as error:
                result.set_exception(error)

        hub.call_soon_threadsafe(functools.partial(hub.spawn, run))
        result.get()

    def deliver_exit(self, exception: BaseException) -> None:
        """Raise it in the loop, where a task's would go; that of a private loop as threads do."""
        hub = self.current_hub()
        if hub is None or hub.is_private:
            super().deliver_exit(exception)
        else:
            hub.call_soon(functools.partial(_raise, exception))

    def in_callback(self) -> bool:
        """Return True if the caller is one of this handler's own callbacks."""
        callback = _inside.get()
        return super().in_callback() or (callback is not None and callback.handler is self)

    # The home loop.

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
            self.forget_workers()
            self._home = None
        return super().watch_home(waiter)

    def spawn_worker(self, func: Callable[..., object], *args: Any) -> Task:
        """Run a worker in the home loop."""
        if self._home is None:
            self._home = self._hub_for_tasks()
        return super().spawn_worker(func, *args)

    # Fork.

    def after_fork_in_child(self) -> None:
        """Become empty and stopped; see :meth:`handler_core.Handler.after_fork_in_child`."""
        leave_hubs_to_parent()
        super().after_fork_in_child()

    def end_inherited_tasks(self) -> None:
        """End the tasks of the parent process. Called in a forked child, inside ``fork``."""
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


def _raise(exception: BaseException) -> None:
    raise exception


def _never(func: object) -> None:
    """Stand in for a loop, which in a forked child does not run."""
