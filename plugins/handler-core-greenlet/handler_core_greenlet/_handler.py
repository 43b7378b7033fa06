"""``LoopHandler``: the base of handlers whose greenlets run on an event loop.

It has everything that is the same for every loop.
"""

from __future__ import annotations

import functools
import math
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractContextManager
from types import ModuleType, TracebackType
from typing import Any, ClassVar, Self, TypeVar, overload

import greenlet  # type: ignore[import-untyped]

from handler_core.execution import AsyncResult, Task, Waiter, wrap
from handler_core.green import freeze_inherited
from handler_core.network import AddressInfo, FileObject, SelectLists, checked_timeout
from handler_core_greenlet import socket
from handler_core_greenlet._async_context import AsyncContext
from handler_core_greenlet._async_iteration import checked_iterable, iterate
from handler_core_greenlet._blocking_function import blocking_call
from handler_core_greenlet._buffered_connection import LoopConnection
from handler_core_greenlet._call_greenlet import CallGreenlet
from handler_core_greenlet._coroutine_callbacks import CoroutineCallbacks
from handler_core_greenlet._find_hub import find_hub
from handler_core_greenlet._fork import leave_hubs_to_parent, live_on_alone
from handler_core_greenlet._hub import LoopHub, TaskGreenlet, running_hub
from handler_core_greenlet._native import allocate_lock
from handler_core_greenlet._private_loop import PrivateLoop
from handler_core_greenlet._queue import Empty, LifoQueue, Queue
from handler_core_greenlet._sleep_and_select import now, sleep, thread_select, thread_waiter

__all__ = ["LoopHandler"]

T = TypeVar("T")


class LoopHandler(CoroutineCallbacks):
    """The base of a handler whose greenlets run on an event loop.

    A subclass names the class of its hub and its private loop, and marks the hooks. Its
    ``select`` calls ``select_in_hub``.
    """

    #: The loop that runs the tasks of a program without a loop.
    private_loop: ClassVar[PrivateLoop]

    has_event_loop = True
    socket_module: ClassVar[ModuleType] = socket
    connection_class = LoopConnection
    #: What calls a function that blocks for a coroutine.
    call_class: ClassVar[type[CallGreenlet]] = CallGreenlet
    sleep_func = staticmethod(sleep)
    clock = staticmethod(now)
    queue_impl = Queue
    lifo_queue_impl = LifoQueue
    queue_empty = Empty
    native_lock = staticmethod(allocate_lock)
    keeps_context = True

    def __init__(self) -> None:
        super().__init__()
        # If a loop runs here, its hub is there from now on. A socket, a queue and `sleep` have no
        # handler to ask. They know by the hub that a caller in a coroutine may not wait.
        self.hub_class.current()

    # For coroutines.

    async def __aenter__(self) -> Self:
        self._new_call_greenlet()  # raises an error if no loop of this model runs the coroutine
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._new_call_greenlet().call(self.stop, last=True, shielded=True)

    @overload
    async def call(
        self, func: Callable[..., Coroutine[Any, Any, T]], /, *args: Any, **kwargs: Any
    ) -> T: ...

    @overload
    async def call(self, func: Callable[..., T], /, *args: Any, **kwargs: Any) -> T: ...

    async def call(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function that blocks, in a greenlet; return or raise what it does.

        The function runs in the caller's task, and sees its context variables. If the caller is
        cancelled, the loop's own exception (``asyncio.CancelledError``) is raised in the function,
        where it waits, and the caller waits until the function has ended. A further cancellation
        does not disturb the function while it handles that exception.

        A coroutine function among the arguments is handed on as a function that blocks until its
        coroutine has ended. The caller's task awaits the coroutine if ``func`` calls it, and
        another task if something else does. To hand it on as it is, wrap the call in a ``lambda``.

        Raises:
            RuntimeError: no loop of this model runs the coroutine.
        """
        call = blocking_call(func, args, kwargs, self.await_coroutine)
        return await self._new_call_greenlet().call(call, last=True)

    def calling(self, manager: AbstractContextManager[T]) -> AsyncContext[T]:
        """Return a blocking context manager as one for ``async with``.

        One greenlet enters and leaves it. It is always left: a cancellation meanwhile is raised
        afterwards.

        Raises:
            RuntimeError: no loop of this model runs the coroutine.
        """
        return AsyncContext(manager, self._new_call_greenlet())

    def iterating(self, iterable: Iterable[T]) -> AsyncGenerator[T, None]:
        """Return the items of a blocking iterable, for ``async for``.

        One greenlet calls the iterator, in the task that asks for an item. A cancellation is raised
        where the iterator waits. Leaving the loop early closes a generator when the returned object
        is closed: at once by ``contextlib.aclosing``, and otherwise when the event loop comes to
        it.

        The iterator has a context (``contextvars``) of its own, for all items. It is a copy of that
        of the first task that asks for an item, as it is then. What a later task has set is not
        seen there, and what the iterator sets is seen nowhere else.

        Raises:
            TypeError: this is no iterable, or an asynchronous one.
            RuntimeError: no loop of this model runs the coroutine.
        """
        return iterate(checked_iterable(iterable), self._new_call_greenlet())

    def _new_call_greenlet(self) -> CallGreenlet:
        hub = self.hub_class.current()
        if hub is None:
            raise RuntimeError(
                f"no {self.name} loop runs this coroutine: choose the handler of the library that "
                "does, by get_handler()"
            )
        return self.call_class(hub)

    # Where the caller is, and how it waits.

    @classmethod
    def is_active(cls) -> bool:
        """Return True if a loop of this model runs the caller."""
        return cls.distance_to_caller() < math.inf

    @classmethod
    def distance_to_caller(cls) -> float:
        """Return 0 in a coroutine and in a handler's task, 1 in a greenlet that was made there.

        It takes the first greenlet of the thread for the one that runs the loop.
        """
        if cls.hub_class.current() is None:
            return math.inf
        steps, candidate = 0, greenlet.getcurrent()
        while candidate.parent is not None and not isinstance(candidate, TaskGreenlet):
            candidate = candidate.parent
            steps += 1
        return steps

    @classmethod
    def current_hub(cls, make: bool = False) -> LoopHub | None:
        """Return the hub of the loop that runs in this thread.

        If no loop does, return that of the private loop if ``make`` is true, or else None.
        """
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
        timeout = checked_timeout(timeout)
        hub = running_hub() or self.current_hub()
        if hub is None:
            return thread_select(rlist, wlist, xlist, timeout)
        if len(wlist) == 1 and not rlist and not xlist:
            # A client asks before each request if there is room for it, and mostly there is.
            (connection,) = wlist
            if isinstance(connection, LoopConnection) and connection.has_room(hub):
                return [], [connection], []
        return hub.select(greenlet.getcurrent(), rlist, wlist, xlist, timeout)

    def look_up(self, host: Any, port: Any, timeout: float | None) -> Sequence[AddressInfo]:
        """Look up the addresses of a host; see :meth:`handler_core.Handler.look_up`.

        If the caller does not wait for it to the end, the look-up is cancelled.
        """
        hub = find_hub()
        if hub is None or hub.is_sibling(greenlet.getcurrent()):
            return super().look_up(host, port, timeout)
        hub.new_waiter(greenlet.getcurrent())  # raises if the caller may not wait
        module = self.socket_module
        result: AsyncResult[Sequence[AddressInfo]] = AsyncResult(self)
        question = host, port, 0, module.SOCK_STREAM
        ask = functools.partial(wrap(result)(module.getaddrinfo), *question)
        task = TaskGreenlet(hub, ask)
        hub.call_soon(task.switch)
        try:
            return result.get(timeout=timeout)
        finally:
            if not task.dead:
                hub.call_soon(task.throw)

    # Callbacks.

    def deliver_exit(self, exception: BaseException) -> None:
        """Raise it in the loop, where an exit of one of the loop's own tasks would go.

        In a private loop, do with it what a thread does.
        """
        hub = self.current_hub()
        if hub is None or hub.is_private:
            super().deliver_exit(exception)
        else:
            self.begin_task(hub, functools.partial(_raise, exception))

    # The home loop.

    def is_end_of_home(self, exception: BaseException) -> bool:
        """Return True if the loop has ended, or has cancelled the task of the worker."""
        return isinstance(exception, self.hub_class.cancelled_error) or super().is_end_of_home(
            exception
        )

    def watch_home(self, waiter: Waiter) -> bool:
        """Wake ``waiter`` if the loop ends; return False if it has ended already."""
        home = self.home
        if isinstance(home, LoopHub) and home.is_in_this_thread() and not home.is_running():
            if not home.has_ended():
                raise RuntimeError(
                    "the event loop that this handler was started in does not run: stop the "
                    "handler while it does, by `await handler.call(handler.stop)` or "
                    "`async with handler:`"
                )
            # The loop has ended, but its thread lives on, and waits here. What is left runs in
            # another loop.
            self.forget_workers()
            self.home = None
        return super().watch_home(waiter)

    def spawn_worker(self, run: Callable[[], object], if_never_begun: Callable[[], object]) -> Task:
        """Run a worker in the home loop; choose one if the handler has lost its own."""
        if self.home is None:
            self.home = self.hub_for_tasks()
        if isinstance(self.home, LoopHub):
            self.home.serve(self)
        return super().spawn_worker(run, if_never_begun)

    def end_idle_workers(self) -> None:
        """End the workers that have nothing to run: their loop is about to end.

        The handler starts others when there is something to run. Only the loop's thread calls this.
        """
        for worker in self.idle_workers():
            # It would go on in its parent when it has ended, so that must be the caller.
            if isinstance(worker, TaskGreenlet) and worker.parent is greenlet.getcurrent():
                worker.throw()

    # Fork.

    def after_fork_in_child(self) -> None:
        """Become empty and stopped; see :meth:`handler_core.Handler.after_fork_in_child`."""
        leave_hubs_to_parent()
        super().after_fork_in_child()

    def freeze_inherited_tasks(self) -> None:
        """Let the tasks of the parent process stand still, for ever."""
        freeze_inherited()
        live_on_alone()


def _raise(exception: BaseException) -> None:
    raise exception
