"""asyncio as a concurrency model: clients in blocking style on the event loop, without threads.

Each task is a greenlet on the loop's thread, and lets the loop run while it waits. The package
``handler_core_greenlet`` has everything that is the same for every loop. This one adds what is
special to asyncio: its loop as a hub, and results that a coroutine may await.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, TypeVar

from handler_core_greenlet import LoopHandler, PrivateLoop

import handler_core
from handler_core import HandlerTimeoutError, hookimpl, inherit_hook
from handler_core_asyncio._hub import AsyncioHub, FutureWaker, run_private_loop
from handler_core_asyncio._loop_greenlet import distance_to_loop

__all__ = ["AsyncResult", "AsyncioTimeoutError", "SequentialAsyncioHandler"]

T = TypeVar("T")


class AsyncioTimeoutError(HandlerTimeoutError):
    """A wait timed out."""


class AsyncResult(handler_core.AsyncResult[Any]):
    """The result of an asyncio handler. Coroutines may await it, any number of times."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for the outcome; return the value, or raise the exception.

        A wait that is cancelled leaves the result as it is.

        Raises:
            RuntimeError: no asyncio loop runs the coroutine.
        """
        if not self.ready():
            hub = AsyncioHub.current()
            if hub is None:
                raise RuntimeError("no asyncio loop runs this coroutine: is it another library's?")
            waker = FutureWaker(hub, hub.loop.create_future())
            if self.add_waiter(waker):
                try:
                    yield from waker.future
                finally:
                    self.remove_waiter(waker)
        return self.get_nowait()


class SequentialAsyncioHandler(LoopHandler):
    """Runs callbacks on two greenlets of the event loop that runs where ``start`` is called.

    If no loop runs there, the greenlets are those of a private loop, which all such handlers of
    the process share.
    """

    name = "asyncio"
    timeout_exception = AsyncioTimeoutError
    hub_class = AsyncioHub
    private_loop = PrivateLoop("handler-core-asyncio", run_private_loop)

    @classmethod
    def distance_to_caller(cls) -> float:
        """Return 0 in a coroutine and in a handler's task, 1 in a greenlet that was made there.

        It is infinite in a greenlet of gevent or eventlet, though a loop may run beside it.
        """
        loop = asyncio._get_running_loop()
        return math.inf if loop is None else distance_to_loop(loop)

    @classmethod
    def run_loop(cls, main: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run ``main(*args)`` in a new event loop, and return what it returns."""
        return asyncio.run(main(*args))

    start = inherit_hook(LoopHandler.start)
    stop = inherit_hook(LoopHandler.stop)
    dispatch_callback = inherit_hook(LoopHandler.dispatch_callback)

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


AsyncResult.detached = SequentialAsyncioHandler()
