"""trio's run loop as a hub of greenlets.

Each greenlet belongs to a task of trio, and only that task resumes it: the one that has called
``handler.call``, or one of its own in a nursery. To wait, a greenlet hands a coroutine to its task,
which awaits it. So a deadline, a cancellation and a wait for a descriptor are trio's own, and a
``trio.Cancelled`` is raised in the greenlet while the task that is cancelled is the current one.

A handler of ``signal.signal`` may run in the loop's thread while the loop sleeps, and trio looks at
what is rescheduled only before it sleeps. So this hub first asks if a task runs. If none does, the
loop is woken as from another thread.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import math
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import greenlet  # type: ignore[import-untyped]
import trio
from handler_core_greenlet import AwaitedCall, CallGreenlet, LoopHub, hub_of_thread

from handler_core.green import GreenWaiter
from handler_core.network import NestedEpoll

__all__ = ["TaskWaker", "TrioCall", "TrioHub", "is_cancelled", "run_private_loop"]


class TaskWaker:
    """Wakes the task that waits by it. It may be woken before."""

    __slots__ = ("_hub", "_task", "_woken")

    def __init__(self, hub: TrioHub) -> None:
        self._hub = hub
        self._task: Any = None
        self._woken = False

    async def wait(self) -> None:
        """Wait for :meth:`wake`. This is a checkpoint of trio, in any case."""
        self._task = trio.lowlevel.current_task()
        if self._woken:
            self._task = None
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        self._woken = False

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED

    def wake(self) -> None:
        """Let the task go on. Any thread may call this."""
        self._hub.reschedule(self.wake_at_once)

    def wake_at_once(self) -> None:
        """Let the task go on. Only the loop's thread calls this, while the loop is awake."""
        self._woken = True
        task, self._task = self._task, None
        if task is not None:
            trio.lowlevel.reschedule(task)


class TaskWaiter(GreenWaiter):
    """Parks a greenlet, while its task waits."""

    __slots__ = ("_interrupt",)

    def __init__(self, hub: TrioHub, greenlet: Any) -> None:
        super().__init__(hub, greenlet)
        self._interrupt: Callable[[], object] | None = None

    def park(self, timeout: float | None = None, fd: int | None = None) -> bool:
        """Let the loop run until :meth:`wake`, for ``timeout`` seconds at the most.

        Args:
            timeout: seconds of trio's clock.
            fd: a descriptor. The wait ends when it is readable, too.
        """
        if not self._woken:
            call = self._greenlet.call
            call.before_wait()
            seconds = math.inf if timeout is None else timeout
            call.hand_over(self._wait(seconds, fd, call.keeps_cancellations()))
        self._hub.parked_at = time.monotonic()
        return self._woken

    async def _wait(self, seconds: float, fd: int | None, cleans_up: bool) -> None:
        try:
            with trio.move_on_after(seconds, shield=cleans_up and is_cancelled()) as scope:
                if fd is not None:
                    self._interrupt = scope.cancel
                    if not self._woken:
                        await trio.lowlevel.wait_readable(fd)
                else:
                    waker = TaskWaker(self._hub)  # type: ignore[arg-type]
                    self._interrupt = waker.wake_at_once
                    if not self._woken:
                        await waker.wait()
        finally:
            self._interrupt = None

    def wake(self) -> None:
        """Let the parked greenlet go on. Any thread may call this."""
        self._woken = True
        self._hub.reschedule(self._resume)  # type: ignore[attr-defined]

    def _resume(self) -> None:
        if self._interrupt is not None:
            self._interrupt()


class TrioCall(CallGreenlet):
    """Calls functions for a coroutine of trio. Each call is a checkpoint."""

    async def call(self, func: Callable[[], object], *, last: bool, shielded: bool = False) -> Any:
        """Call ``func``; return what it returns, or raise what it raises."""
        with trio.CancelScope(shield=shielded):
            await trio.lowlevel.checkpoint()
            return await super().call(func, last=last)


class TrioHub(LoopHub):
    """A run of trio as a hub."""

    cancelled_error = trio.Cancelled
    waiter_class = TaskWaiter

    def __init__(self) -> None:
        super().__init__()
        self.token = trio.lowlevel.current_trio_token()
        self._due: deque[Callable[[], object]] = deque()
        self._waker = TaskWaker(self)
        trio.lowlevel.spawn_system_task(self._drive)

    async def _drive(self) -> None:
        """Call what is due, until the main task has ended, and with it the program of the run."""
        try:
            while True:
                await self._waker.wait()
                self._call_due()
        finally:
            self.end()
            self._call_due()

    def _call_due(self) -> None:
        for _ in range(len(self._due)):
            self._due.popleft()()

    @classmethod
    def current(cls) -> TrioHub | None:
        """Return the hub of the run of this thread; None if trio does not run in it."""
        hub = hub_of_thread()
        if isinstance(hub, cls) and hub.is_mine():
            return hub
        if not trio.lowlevel.in_trio_run():
            return None
        hub = _hub_of_run.get(None)
        if hub is None:
            hub = cls()
            _hub_of_run.set(hub)
        hub.adopt()
        return hub

    def is_running(self) -> bool:
        """Return True while a thread runs the loop."""
        if not self.is_in_this_thread():
            return not self.has_ended()
        return trio.lowlevel.in_trio_run() and trio.lowlevel.current_trio_token() is self.token

    def serve(self, handler: object) -> None:
        """Do nothing. trio cancels the tasks of idle workers when the main task has ended."""

    def leave_to_parent(self) -> None:
        """Belong to no thread of this process, and let its thread run trio anew."""
        if self.is_in_this_thread():
            vars(trio._core._run.GLOBAL_RUN_CONTEXT).clear()
            signal.set_wakeup_fd(-1)  # a signal of the child would wake the parent
        super().leave_to_parent()

    def reschedule(self, func: Callable[[], object]) -> None:
        """Call ``func``, which reschedules a task, at once if trio allows it here, or else soon.

        Any thread may call this.
        """
        if self.is_mine() and trio.lowlevel.in_trio_task():
            func()
        else:
            self.call_soon_threadsafe(func)

    def call_soon(self, func: Callable[[], object]) -> None:
        """Have the loop call ``func``. Only the loop's thread calls this."""
        if self.has_ended() or not trio.lowlevel.in_trio_task():
            self.call_soon_threadsafe(func)
        else:
            self._due.append(func)
            self._waker.wake_at_once()

    def call_soon_threadsafe(self, func: Callable[[], object]) -> None:
        """Have the loop call ``func``, and wake it at once. Any thread may call this."""
        with contextlib.suppress(trio.RunFinishedError):  # no greenlet is left to wake
            self.token.run_sync_soon(contextvars.copy_context().run, func)

    def clock(self) -> float:
        """Return the time of trio's clock, in seconds."""
        return trio.current_time()

    def spawn(
        self,
        func: Callable[[], object],
        nursery: trio.Nursery | None = None,
        shielded: bool = False,
    ) -> None:
        """Run ``func`` in a greenlet of a new task, in a copy of the caller's context.

        Args:
            func: the function.
            nursery: the nursery of the task. Without one it is a system task of trio.
            shielded: whether the task goes on when the nursery is cancelled.
        """
        if not trio.lowlevel.in_trio_task():
            self.call_soon_threadsafe(functools.partial(self.spawn, func, nursery, shielded))
            return
        if nursery is not None:
            with contextlib.suppress(RuntimeError):  # it has just been closed
                nursery.start_soon(self._run, func, shielded)
                return
        with contextlib.suppress(RuntimeError):  # the run is almost over
            context = contextvars.copy_context()
            trio.lowlevel.spawn_system_task(self._run_alone, func, context=context)

    async def _run(self, func: Callable[[], object], shielded: bool = False) -> None:
        with contextlib.suppress(greenlet.GreenletExit), trio.CancelScope(shield=shielded):
            await CallGreenlet(self).call(func, last=True)

    async def _run_alone(self, func: Callable[[], object]) -> None:
        try:
            await self._run(func)
        except trio.Cancelled:
            raise
        except BaseException:
            # No nursery is there to hear of it. So it goes where an error of a thread goes.
            args = (*sys.exc_info(), threading.current_thread())
            threading.excepthook(threading.ExceptHookArgs(args))

    def await_readable(self, nested: NestedEpoll, waiter: Any, timeout: float | None) -> None:
        """Park until ``nested`` is readable, for ``timeout`` seconds at the most."""
        waiter.park(timeout, nested.fileno())

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Have the task of the current greenlet await a coroutine, and not be disturbed."""
        return greenlet.getcurrent().call.hand_over(_undisturbed(coroutine))

    async def wait_until_idle(self, call: AwaitedCall) -> None:
        """Do nothing. A greenlet that waits has its task await something, so it is idle."""

    def getaddrinfo(self, *args: Any) -> Sequence[Any]:
        """Look addresses up by trio, while the current greenlet is parked."""
        infos: Sequence[Any] = self.await_coroutine(trio.socket.getaddrinfo(*args))
        return infos


def is_cancelled() -> bool:
    """Return True if a cancellation would reach the current task, if it waited now."""
    return trio.current_effective_deadline() == -math.inf


_hub_of_run: trio.lowlevel.RunVar[TrioHub | None] = trio.lowlevel.RunVar("handler-core hub")


async def _undisturbed(coroutine: Coroutine[Any, Any, Any]) -> Any:
    with trio.CancelScope(shield=is_cancelled()):
        return await coroutine


def run_private_loop(begun: Callable[[TrioHub], None]) -> None:
    """Run a loop for ever, and call ``begun`` in it with its hub."""

    async def main() -> None:
        hub = TrioHub.current()
        assert hub is not None
        begun(hub)
        await trio.sleep_forever()

    trio.run(main)
