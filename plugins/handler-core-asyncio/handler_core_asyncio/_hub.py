"""asyncio's loop as a hub of greenlets.

Any loop with asyncio's interface will do, such as uvloop's.

A handler of ``signal.signal`` may run in the loop's thread while the loop sleeps. asyncio's
``call_soon`` does not wake the loop, which looks at what was given to it only before it sleeps. So
this hub first asks what runs in the thread. If it is a task or a greenlet of the loop, the loop is
awake, and looks again before it sleeps. Otherwise the loop is woken as from another thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any

import greenlet  # type: ignore[import-untyped]
from handler_core_greenlet import AwaitedCall, LoopHub, hub_of_thread, watch_blocking_calls

from handler_core.execution import report_error
from handler_core.green import GreenWaiter
from handler_core_asyncio._loop_greenlet import runs_loop

__all__ = ["AsyncioHub", "FutureWaker", "run_private_loop"]


class AsyncioHub(LoopHub):
    """An asyncio loop as a hub."""

    cancelled_error = asyncio.CancelledError

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop
        self._look_ups: set[asyncio.Task[Any]] = set()
        _announce_close(loop)
        _announce_debug_mode(loop)
        # asyncio tells only asynchronous generators that their loop is about to be closed.
        self._until_shutdown = self._wait_for_shutdown()
        first: Any = self._until_shutdown.__anext__()
        with contextlib.suppress(StopIteration):  # it has reached its first yield
            first.send(None)

    async def _wait_for_shutdown(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self.end()

    def end(self) -> None:
        """Let the hub count as ended; see :meth:`LoopHub.end`."""
        super().end()
        for look_up in self._look_ups:
            if self.loop.is_closed():  # without a shutdown: nothing can be cancelled any more
                look_up._log_destroy_pending = False  # type: ignore[attr-defined]
            else:
                look_up.cancel()

    @classmethod
    def current(cls) -> AsyncioHub | None:
        """Return the hub of the loop that runs in this thread; None if no loop does."""
        hub = hub_of_thread()
        if isinstance(hub, cls) and hub.is_mine():
            return hub
        loop: Any = asyncio._get_running_loop()
        if loop is None:
            return None
        hub = getattr(loop, "_handler_core_hub", None)
        if not isinstance(hub, cls) or hub.has_ended() or hub.is_forked():
            hub = loop._handler_core_hub = cls(loop)
        hub.adopt()
        return hub

    def has_ended(self) -> bool:
        """Return True if the loop is closed, or about to be, or its thread has ended."""
        return self.loop.is_closed() or super().has_ended()

    def is_running(self) -> bool:
        """Return True while a thread runs the loop."""
        return self.loop.is_running()

    def is_debugging(self) -> bool:
        """Return True if the loop is in debug mode."""
        return self.loop.get_debug()

    def is_loop(self, greenlet: Any) -> bool:
        """Return True if this greenlet runs the loop."""
        return runs_loop(greenlet, self.loop)

    def call_soon(self, func: Callable[[], object]) -> None:
        """Have the loop call ``func``. Only the loop's thread calls this."""
        if self.is_awake():
            self.loop.call_soon(func)
        else:
            self.loop.call_soon_threadsafe(func)

    def is_awake(self) -> bool:
        """Return True if the loop looks at ``call_soon`` again before it sleeps.

        It is also False in a plain callback of the loop, which cannot be told from a signal handler
        that interrupts the loop's sleep, and where another greenlet may call this while the loop
        sleeps. Only the loop's thread calls this.
        """
        if self.shares_thread:
            return False
        return self.may_park(greenlet.getcurrent()) or asyncio.current_task(self.loop) is not None

    def call_soon_threadsafe(self, func: Callable[[], object]) -> None:
        """Have the loop call ``func``, and wake it at once. Any thread may call this."""
        try:
            self.loop.call_soon_threadsafe(func)
        except RuntimeError:
            if not self.loop.is_closed():  # a closed loop has no greenlet left to wake
                raise

    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        """Have the loop call ``func`` in so many seconds; return a function that cancels it."""
        return self.loop.call_later(seconds, *self._called_by_loop(func)).cancel

    def add_reader(self, fd: int, func: Callable[[], object]) -> Callable[[], None]:
        """Have the loop call ``func`` while ``fd`` is readable; return a function that ends it."""
        self.loop.add_reader(fd, *self._called_by_loop(func))
        return lambda: self._remove_reader(fd)

    def _called_by_loop(self, func: Callable[[], object]) -> tuple[Callable[..., object], ...]:
        """Return what the loop is to call for a descriptor or a timer, so that it calls ``func``.

        libuv, below uvloop, keeps lists on the C stack while it calls for a descriptor or a timer.
        ``func`` may switch to a greenlet, and then the greenlet's own stack takes that place. If
        the greenlet adds or removes a reader or a timer, libuv writes into lists that are not
        there. So libuv calls ``call_soon``, and the loop calls ``func`` when no such list exists.
        """
        if isinstance(self.loop, asyncio.BaseEventLoop):  # it is all Python
            return (func,)
        return self.loop.call_soon, func

    def _remove_reader(self, fd: int) -> None:
        if not self.loop.is_closed():
            self.loop.remove_reader(fd)

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in a task of its own, while the current greenlet is parked.

        The greenlet raises an exit (``SystemExit``, ``KeyboardInterrupt``) that the coroutine has
        raised, and the loop hears of it there. If the task raised it too, the loop would end twice,
        and the second time in the midst of the program's clean-up.
        """
        try:
            waiter = self.new_waiter(greenlet.getcurrent())
        except RuntimeError:
            coroutine.close()  # or Python would warn that it was never awaited
            raise
        exits: list[BaseException] = []
        task = self.loop.create_task(_keep_exit(coroutine, exits))

        def end(_: object) -> None:
            coroutine.close()  # the task may have ended before it has begun
            if exits:
                raise exits.pop()

        try:
            value = self._wait_for_task(task, waiter)
        except BaseException:
            task.add_done_callback(end)
            raise
        end(task)
        return value

    def _wait_for_task(self, task: asyncio.Task[Any], waiter: GreenWaiter) -> Any:
        """Park until a task has ended, and return or raise what it does.

        If the hub has ended by then, the greenlet is not resumed.
        """

        def ended(task: asyncio.Task[Any]) -> None:
            if not self.has_ended():
                waiter.wake_at_once()
            elif not task.cancelled():
                task.exception()  # or asyncio would complain that nobody has seen it

        task.add_done_callback(ended)
        try:
            waiter.park()
        except BaseException:
            task.cancel()
            raise
        return task.result()

    async def wait_until_idle(self, call: AwaitedCall) -> None:
        """Wait until ``call`` is idle. Hand a cancellation of the waiting coroutine to it."""
        waker = FutureWaker(self, self.loop.create_future())
        while not call.idle:
            call.on_idle = waker.wake
            try:
                await waker.future
            except asyncio.CancelledError as error:
                if call.is_frozen():
                    raise
                call.cancel(error)
                waker = FutureWaker(self, _CallFuture(self, call))
            except GeneratorExit:
                # Not at once: the garbage collector may close the coroutine, in any greenlet or
                # thread.
                call.kill()
                raise

    def running_task(self) -> Any:
        """Return the current task of asyncio."""
        return asyncio.current_task(self.loop)

    def swap_task(self, task: Any) -> Any:
        """Make ``task`` the current one of asyncio; return the one before."""
        loop = self.loop
        running = asyncio.current_task(loop)
        if running is not task and loop.is_running():
            if running is not None:
                asyncio.tasks._leave_task(loop, running)
            if task is not None:
                asyncio.tasks._enter_task(loop, task)
        return running

    def getaddrinfo(self, *args: Any) -> Sequence[Any]:
        """Look addresses up by the loop's resolver, while the current greenlet is parked.

        The resolver is a coroutine, and needs a task. But the greenlet waits here as it waits
        anywhere else. So asyncio does not list this task, and nobody cancels it who cancels all
        tasks, such as ``asyncio.run`` at its end.
        """
        host, port, family, kind, proto, flags = args
        waiter = self.new_waiter(greenlet.getcurrent())
        task = self.loop.create_task(
            self.loop.getaddrinfo(host, port, family=family, type=kind, proto=proto, flags=flags)
        )
        asyncio.tasks._unregister_task(task)
        self._look_ups.add(task)
        task.add_done_callback(self._look_ups.discard)
        infos: Sequence[Any] = self._wait_for_task(task, waiter)
        return infos


class FutureWaker:
    """Wakes a coroutine. The coroutine awaits the future of this object."""

    __slots__ = ("_hub", "future")

    def __init__(self, hub: AsyncioHub, future: asyncio.Future[None]) -> None:
        self._hub = hub
        self.future = future

    def wake(self) -> None:
        """Let the coroutine go on. Any thread may call this."""
        if self._hub.is_mine() and self._hub.is_awake():
            _resolve(self.future)
        else:
            self._hub.call_soon_threadsafe(functools.partial(_resolve, self.future))


class _CallFuture(asyncio.Future[None]):
    """A future that waits for a call, and is not cancelled while the call may not be disturbed.

    anyio cancels at every turn of the loop. It would be waste to wake the coroutine each time.
    """

    def __init__(self, hub: AsyncioHub, call: AwaitedCall) -> None:
        super().__init__(loop=hub.loop)
        self._call = call

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel the wait, or have the call keep the cancellation."""
        if self.done() or not self._call.keeps_cancellations():
            return super().cancel(msg)
        self._call.cancel(asyncio.CancelledError(*(() if msg is None else (msg,))))
        return True


async def _keep_exit(coroutine: Coroutine[Any, Any, Any], exits: list[BaseException]) -> Any:
    try:
        return await coroutine
    except (KeyboardInterrupt, SystemExit) as error:
        exits.append(error)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _announce_close(loop: Any) -> None:
    """Have the hub of a loop hear of ``loop.close()``. asyncio has no hook for that."""
    if "close" in vars(loop):
        return
    close = loop.close

    def close_and_tell() -> None:
        close()
        vars(loop).pop("close", None)
        vars(loop).pop("set_debug", None)
        loop._handler_core_hub.end()

    loop.close = close_and_tell


def _announce_debug_mode(loop: Any) -> None:
    """Have the calls that may block hear of ``loop.set_debug()``. asyncio has no hook for that."""
    if loop.get_debug():
        watch_blocking_calls()
    if "set_debug" in vars(loop):
        return
    set_debug = loop.set_debug

    def set_debug_and_tell(enabled: bool) -> None:
        set_debug(enabled)
        if enabled:
            watch_blocking_calls()

    loop.set_debug = set_debug_and_tell


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
            # One task has raised it. As in any thread but the main one, the others go on.
            report_error(error)
