"""asyncio's loop as a hub of greenlets; any loop with its interface, uvloop's too."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any

import greenlet  # type: ignore[import-untyped]
from handler_core_greenlet import LoopHub, Strand, hub_of_thread

__all__ = ["AsyncioHub", "FutureWaker", "run_private_loop"]


class AsyncioHub(LoopHub):
    """The hub that an asyncio loop is."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop
        # asyncio tells only its asynchronous generators that the loop is about to end.
        self._until_shutdown = self._wait_for_shutdown()
        first: Any = self._until_shutdown.__anext__()
        with contextlib.suppress(StopIteration):  # which is how it says that it has begun
            first.send(None)

    async def _wait_for_shutdown(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self.end()

    @classmethod
    def current(cls) -> AsyncioHub | None:
        """Return the hub of the loop that runs in this thread; None if there is none."""
        hub = hub_of_thread()
        if isinstance(hub, cls) and hub.is_mine():
            return hub
        loop: Any = asyncio._get_running_loop()
        if loop is None:
            return None
        hub = getattr(loop, "_handler_core_hub", None)
        if not isinstance(hub, cls) or hub.has_ended():
            hub = loop._handler_core_hub = cls(loop)
        hub.adopt()
        return hub

    def is_running(self) -> bool:
        """Return True while some thread runs the loop."""
        return self.loop.is_running()

    def call_soon(self, func: Callable[[], object]) -> None:
        """Have the loop call ``func``. In its thread."""
        self.loop.call_soon(func)

    def call_soon_threadsafe(self, func: Callable[[], object]) -> None:
        """Have the loop call ``func``. From any thread, and it wakes at once."""
        try:
            self.loop.call_soon_threadsafe(func)
        except RuntimeError:
            if not self.loop.is_closed():  # else nobody is left who could be woken
                raise

    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        """Have the loop call ``func`` in so many seconds; return what cancels that."""
        return self.loop.call_later(seconds, *self._called_by_loop(func)).cancel

    def add_reader(self, fd: int, func: Callable[[], object]) -> Callable[[], None]:
        """Have the loop call ``func`` while ``fd`` is readable; return what ends that."""
        self.loop.add_reader(fd, *self._called_by_loop(func))
        return lambda: self._remove_reader(fd)

    def _called_by_loop(self, func: Callable[[], object]) -> tuple[Callable[..., object], ...]:
        """Return what the loop is to call, where it may be in the midst of its own C code.

        libuv, below uvloop, has lists on the C stack while it calls for a descriptor or a timer.
        ``func`` may switch to a greenlet, whose stack takes that place; should it add or remove a
        reader or a timer, libuv would write into the lists, where they are not. What was asked
        for by ``call_soon`` is called when there are none.
        """
        if isinstance(self.loop, asyncio.BaseEventLoop):  # all Python
            return (func,)
        return self.loop.call_soon, func

    def _remove_reader(self, fd: int) -> None:
        if not self.loop.is_closed():
            self.loop.remove_reader(fd)

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in a task of its own, while the current greenlet is parked."""
        try:
            waiter = self.new_waiter(greenlet.getcurrent())
        except RuntimeError:
            coroutine.close()  # or it would complain that nobody has awaited it
            raise
        task = self.loop.create_task(coroutine)
        task.add_done_callback(lambda _: waiter.wake_at_once())
        try:
            waiter.park()
        except BaseException:
            task.cancel()
            raise
        return task.result()

    async def until_idle(self, strand: Strand) -> None:
        """Wait until ``strand`` is idle; a cancellation is raised in it."""
        while not strand.idle:
            waker = FutureWaker(self)
            strand.on_idle = waker.wake
            try:
                await waker.future
            except asyncio.CancelledError as error:
                if strand.idle:
                    raise
                strand.throw(error)
            except GeneratorExit:
                # Not `throw`: this may be any greenlet, or thread, in which the garbage collector
                # runs.
                strand.kill()
                raise

    def getaddrinfo(self, *args: Any) -> Sequence[Any]:
        """Look up by the loop's resolver, while the current greenlet is parked."""
        host, port, family, kind, proto, flags = args
        infos: Sequence[Any] = self.run_coroutine(
            self.loop.getaddrinfo(host, port, family=family, type=kind, proto=proto, flags=flags)
        )
        return infos


class FutureWaker:
    """Wakes a coroutine that waits for its future."""

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


def run_private_loop(begun: Callable[[AsyncioHub], None]) -> None:
    """Run a loop for ever, and call ``begun`` in it with its hub."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    def begin() -> None:
        hub = AsyncioHub.current()
        assert hub is not None
        begun(hub)

    loop.call_soon(begin)
    while True:
        try:
            loop.run_forever()
        except (KeyboardInterrupt, SystemExit) as error:
            # Of one task: as in any thread but the main one, it is no reason to end the others.
            args = (type(error), error, error.__traceback__, threading.current_thread())
            threading.excepthook(threading.ExceptHookArgs(args))
