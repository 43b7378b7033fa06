"""trio as a concurrency model: clients in blocking style in trio's run loop, without threads.

Each task is a greenlet on the loop's thread, and lets the loop run while it waits. The package
``handler_core_greenlet`` has everything that is the same for every loop. This one adds what is
special to trio: its run loop as a hub, nurseries, and results that a coroutine may await.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self, TypeVar

import greenlet  # type: ignore[import-untyped]
import trio
from handler_core_greenlet import LoopHandler, PrivateLoop, TaskCall, socket

import handler_core
from handler_core import HandlerTimeoutError, hookimpl, inherit_hook
from handler_core.green import Hub
from handler_core.network import AddressInfo
from handler_core_trio._hub import TaskWaker, TrioHub, run_private_loop

__all__ = ["AsyncResult", "SequentialTrioHandler", "TrioTimeoutError"]

T = TypeVar("T")


class TrioTimeoutError(HandlerTimeoutError):
    """A wait timed out."""


class AsyncResult(handler_core.AsyncResult[Any]):
    """The result of a trio handler. Coroutines may await it, any number of times."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for the outcome; return the value, or raise the exception.

        It is a checkpoint, also if the outcome is there. A wait that is cancelled leaves the result
        as it is.

        Raises:
            RuntimeError: trio does not run the coroutine.
        """
        hub = TrioHub.current()
        if hub is None:
            raise RuntimeError("trio does not run this coroutine: is it another library's?")
        waker = TaskWaker(hub)
        if not self.add_waiter(waker):
            waker.wake_at_once()
        try:
            yield from waker.wait().__await__()
        finally:
            self.remove_waiter(waker)
        return self.get_nowait()


class SequentialTrioHandler(LoopHandler):
    """Runs callbacks on two greenlets of the run of trio in which ``start`` is called.

    If trio does not run there, the greenlets are those of a private loop, which all such handlers
    of the process share.

    ``async with`` opens a nursery, in which the tasks of the handler live.
    """

    name = "trio"
    timeout_exception = TrioTimeoutError
    hub_class = TrioHub
    call_class = TaskCall
    private_loop = PrivateLoop("handler-core-trio", run_private_loop)

    #: The nursery of the tasks, by the hub of its run. Empty outside ``async with``.
    _nurseries: Mapping[Any, trio.Nursery] = MappingProxyType({})

    #: The shields of the workers in it.
    _shields: Sequence[trio.CancelScope] = ()

    @classmethod
    def run_loop(cls, main: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run ``main(*args)`` in a new run of trio, and return what it returns."""
        return trio.run(main, *args)

    async def __aenter__(self) -> Self:
        self._new_call_greenlet()  # raises an error if trio does not run this coroutine
        if self._nurseries:
            raise RuntimeError("this handler is in an `async with` already: take one for each")
        async with contextlib.AsyncExitStack() as exits:
            exits.callback(self._leave_nursery)
            nursery = await exits.enter_async_context(trio.open_nursery())
            self._nurseries = {TrioHub.current(): nursery}
            exits.push_async_exit(self._stop)
            self.start()
            self._exits = exits.pop_all()
        return self

    async def __aexit__(self, *details: Any) -> None:
        try:
            await self._exits.__aexit__(*details)
        except BaseExceptionGroup as group:
            if group.exceptions != details[1:2]:  # then it is more than the error of the block
                raise
        if details[1] is None:
            await trio.lowlevel.checkpoint()

    async def _stop(self, *details: Any) -> None:
        try:
            await super().__aexit__(*details)
        except BaseException:
            for shield in self._shields:  # or the nursery would wait for workers that nobody ends
                shield.shield = False
            raise

    def _leave_nursery(self) -> None:
        self._nurseries, self._shields = {}, ()

    def begin_task(self, hub: Hub, run: Callable[[], object], is_worker: bool = False) -> None:
        """Have a hub run a task, in the nursery of this handler.

        A worker ends at ``stop``, and not when the nursery is cancelled.
        """
        assert isinstance(hub, TrioHub)
        scope = trio.CancelScope(shield=is_worker)
        if is_worker:
            self._shields = (*self._shields, scope)
        hub.spawn(run, self._nurseries.get(hub), scope)

    def is_kill(self, exception: BaseException) -> bool:
        """Return True for the ``trio.Cancelled`` by which trio ends a worker."""
        if not isinstance(exception, trio.Cancelled):  # then trio may not even run the caller
            return False
        return trio.current_effective_deadline() == -math.inf

    def look_up(self, host: Any, port: Any, timeout: float | None) -> Sequence[AddressInfo]:
        """Look up the addresses of a host; see :meth:`handler_core.Handler.look_up`."""
        hub = TrioHub.current()
        if hub is None or not hub.may_park(greenlet.getcurrent()):
            return super().look_up(host, port, timeout)
        with trio.move_on_after(math.inf if timeout is None else timeout):
            return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        raise self.timeout_exception(f"no address of {host} was found within {timeout} seconds")

    start = inherit_hook(LoopHandler.start)
    stop = inherit_hook(LoopHandler.stop)
    dispatch_callback = inherit_hook(LoopHandler.dispatch_callback)
    select = inherit_hook(LoopHandler.select_in_hub)

    @hookimpl
    def callback_object(self) -> AsyncResult:
        """Return a new, pending result."""
        return AsyncResult(self)


AsyncResult.detached = SequentialTrioHandler()
