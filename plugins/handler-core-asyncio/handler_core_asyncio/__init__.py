"""asyncio as a concurrency model: blocking-style clients on the event loop, with no threads.

Each task is a greenlet on the loop's thread, and each wait a turn of the loop: see
``handler_core_greenlet``, which has all that is not asyncio's own.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from handler_core_greenlet import LoopHandler, Strand

import handler_core
from handler_core import HandlerTimeoutError, hookimpl, inherit_hook
from handler_core_asyncio.hub import AsyncioHub
from handler_core_asyncio.private import is_private, private_hub

__all__ = ["AsyncResult", "AsyncioTimeoutError", "SequentialAsyncioHandler"]

T = TypeVar("T")


class AsyncioTimeoutError(HandlerTimeoutError):
    """A wait was over before what it waited for had come."""


class AsyncResult(handler_core.AsyncResult[Any]):
    """The result of an asyncio handler, which a coroutine may await, as often as it likes."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for the outcome; return the value, or raise the exception.

        To cancel the wait does not touch the result.
        """
        if not self.ready():
            waker = _FutureWaker(_running_hub())
            if self.add_waiter(waker):
                try:
                    yield from waker.future
                finally:
                    self.remove_waiter(waker)
        return self.get_nowait()


class _FutureWaker:
    """Wakes a coroutine."""

    __slots__ = ("_hub", "future")

    def __init__(self, hub: AsyncioHub) -> None:
        self._hub = hub
        self.future: asyncio.Future[None] = hub.loop.create_future()

    def wake(self) -> None:
        """Let the coroutine go on. From any thread."""
        if self._hub.is_mine():
            _resolve(self.future)
        else:
            self._hub.call_soon_threadsafe(functools.partial(_resolve, self.future))


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class SequentialAsyncioHandler(LoopHandler):
    """Runs callbacks on two greenlets of the event loop that runs where ``start`` is called.

    Where none runs, on those of a loop of its own, which all such handlers of the process share.
    """

    name = "asyncio"
    timeout_exception = AsyncioTimeoutError

    @classmethod
    def is_active(cls) -> bool:
        """Return True if an asyncio loop runs in this thread."""
        return asyncio._get_running_loop() is not None

    @classmethod
    def current_hub(cls, make: bool = False) -> AsyncioHub | None:
        """Return the hub of the loop in this thread; that of the private loop if ``make``."""
        hub = AsyncioHub.current()
        return private_hub() if hub is None and make else hub

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

        To cancel this raises ``asyncio.CancelledError`` in the function, where it waits, and
        waits until it has ended.
        """
        strand = Strand(_running_hub())
        value: T = await _run(strand, functools.partial(func, *args, **kwargs), last=True)
        return value

    def calling(self, manager: AbstractContextManager[T]) -> Calling[T]:
        """Return a context manager that blocks as one for ``async with``.

        It is entered and left in one greenlet.
        """
        return Calling(manager)

    # What is asyncio's in the workings.

    def run_coroutine_elsewhere(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine for the loop itself, or for another thread, which waits for it."""
        home = self._live_home()
        if self.current_hub() is not None:
            task = asyncio.get_running_loop().create_task(coroutine)
            _background.add(task)
            task.add_done_callback(_background.discard)
        elif isinstance(home, AsyncioHub) and home.is_running():
            asyncio.run_coroutine_threadsafe(coroutine, home.loop).result()
        else:
            asyncio.run(coroutine)

    def deliver_exit(self, exception: BaseException) -> None:
        """Raise it in the loop, as asyncio does with that of any task."""
        hub = self.current_hub()
        if hub is None or is_private(hub):
            super().deliver_exit(exception)
        else:
            hub.call_soon(functools.partial(_raise, exception))


class Calling(Generic[T]):
    """A context manager that blocks, for ``async with``."""

    def __init__(self, manager: AbstractContextManager[T]) -> None:
        self._manager = manager

    async def __aenter__(self) -> T:
        self._strand = Strand(_running_hub())
        try:
            value: T = await _run(self._strand, self._manager.__enter__, last=False)
        except asyncio.CancelledError:
            if self._strand.succeeded:  # at the very moment of the cancellation
                await self.__aexit__(None, None, None)
            raise
        return value

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        leave = functools.partial(self._manager.__exit__, kind, value, traceback)
        suppressed: bool | None = await _run(self._strand, leave, last=True)
        return suppressed


def _running_hub() -> AsyncioHub:
    hub = AsyncioHub.current()
    if hub is None:
        raise RuntimeError("no asyncio loop runs this coroutine: is it another library's?")
    return hub


async def _run(strand: Strand, func: Callable[[], Any], *, last: bool) -> Any:
    """Have a strand call a function, and wait for its end."""
    strand.begin(func, last=last)
    while not strand.idle:
        future = asyncio.get_running_loop().create_future()
        strand.on_idle = functools.partial(_resolve, future)
        try:
            await future
        except asyncio.CancelledError as error:
            if strand.idle:
                raise
            strand.throw(error)
        except GeneratorExit:
            # Nobody will ever go on with this. Not `throw`: this may be any greenlet, or thread,
            # in which the garbage collector runs.
            strand.kill()
            raise
    return strand.outcome()


def _raise(exception: BaseException) -> None:
    raise exception


#: Tasks that nobody waits for: asyncio itself does not keep them alive.
_background: set[asyncio.Task[Any]] = set()

AsyncResult.detached = SequentialAsyncioHandler()
