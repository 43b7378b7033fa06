"""The hub of a library whose loop runs tasks, and calls no functions: trio, for example.

There each greenlet belongs to a task, and only that task resumes it: the one that has called
``handler.call``, or one that was made for the greenlet. To wait, a greenlet hands a coroutine to
its task, which awaits it. So a deadline, a cancellation and a wait for a descriptor are the
library's own. It raises a cancellation in the greenlet while the task that is cancelled is the
current one.
"""

from __future__ import annotations

import abc
import contextlib
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import greenlet  # type: ignore[import-untyped]

from handler_core.execution import report_error
from handler_core.green import GreenWaiter
from handler_core.network import NestedPoll
from handler_core_greenlet._call_greenlet import CallGreenlet
from handler_core_greenlet._hub import AwaitedCall, LoopHub

__all__ = ["TaskCall", "TaskHub", "TaskWaiter"]


class Driver(Protocol):
    """Wakes the one task that waits by it."""

    async def wait(self) -> None:
        """Wait until it is woken. It may have been woken before."""

    def wake_at_once(self) -> None:
        """Let the task go on. Only the loop's thread calls this, while a task runs."""


class TaskWaiter(GreenWaiter):
    """Parks a greenlet, while its task waits."""

    __slots__ = ("_postponed", "interrupt")

    _hub: TaskHub

    def __init__(self, hub: TaskHub, greenlet: Any) -> None:
        super().__init__(hub, greenlet)
        #: Ends the wait of the task. It is None while that does not wait.
        self.interrupt: Callable[[], object] | None = None
        self._postponed = 0

    def park(self, timeout: float | None = None, fd: int | None = None) -> bool:
        """Let the loop run until :meth:`wake`, for ``timeout`` seconds at the most.

        Args:
            timeout: seconds of the hub's clock.
            fd: a descriptor. The wait ends when it is readable, too.
        """
        if not self._woken:
            call = self._greenlet.call
            call.before_wait()
            seconds = math.inf if timeout is None else timeout
            cleans_up = call.keeps_cancellations() and self._hub.is_cancelled()
            wait = self._hub.wait_in_task(self, seconds, fd, call.is_shielded() or cleans_up)
            try:
                call.hand_over(wait)
            finally:
                self.interrupt = None
        self._hub.parked_at = time.monotonic()
        return self._woken

    def postpone(self, error: BaseException) -> bool:
        """Raise an error when the call has ended, or may be disturbed; return False the third time.

        So a user can end a program that cleans up for ever.
        """
        self._postponed += 1
        if self._postponed < 3:
            self._greenlet.call.cancel(error)
        return self._postponed < 3

    def is_woken(self) -> bool:
        """Return True after :meth:`wake`."""
        return self._woken

    def wake(self) -> None:
        """Let the parked greenlet go on. Any thread may call this."""
        self._woken = True
        self._hub.reschedule(self._resume)

    def _resume(self) -> None:
        if self.interrupt is not None:
            self.interrupt()


class TaskCall(CallGreenlet):
    """Calls functions for a coroutine. Each call is a checkpoint of the library.

    A shielded call gives way when it has ended, and not before: a cancellation, or Ctrl-C, would
    keep its function from being called.
    """

    _hub: TaskHub

    async def call(self, func: Callable[[], object], *, last: bool, shielded: bool = False) -> Any:
        """Call ``func``; return what it returns, or raise what it raises."""
        if not shielded:
            await self._hub.checkpoint()
        value = await super().call(func, last=last, shielded=shielded)
        if shielded and sys.exception() is None:
            await self._hub.checkpoint()
        return value


class TaskHub(LoopHub):
    """The hub of a library whose loop runs tasks only."""

    waiter_class = TaskWaiter

    #: Wakes the task that runs :meth:`drive`. A model sets it.
    driver: Driver

    def __init__(self) -> None:
        super().__init__()
        self._due: deque[Callable[[], object]] = deque()

    # What a model says of its library.

    @abc.abstractmethod
    def is_awake(self) -> bool:
        """Return True if a task runs now, so that others may be rescheduled.

        The loop looks at them again before it sleeps. A signal handler may interrupt its sleep:
        then it is False. Only the loop's thread calls this.
        """

    @abc.abstractmethod
    async def checkpoint(self) -> None:
        """Let other tasks run, and raise a cancellation of the current one."""

    @abc.abstractmethod
    def is_cancelled(self) -> bool:
        """Return True if a cancellation would reach the current task, if it waited now."""

    @abc.abstractmethod
    async def wait_in_task(
        self, waiter: TaskWaiter, seconds: float, fd: int | None, shield: bool
    ) -> None:
        """Wait, in a greenlet's task, until ``waiter`` is woken. It may return too early.

        Args:
            waiter: the waiter. Its ``interrupt`` is set before it is asked if it is woken.
            seconds: for how long to wait at the most.
            fd: a descriptor whose readability ends the wait, too.
            shield: whether no cancellation may end the wait.
        """

    @abc.abstractmethod
    async def undisturbed(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await a coroutine that no cancellation may reach."""

    # What a model gets.

    def await_readable(
        self, nested: NestedPoll, waiter: GreenWaiter, timeout: float | None
    ) -> None:
        """Park until ``nested`` is readable, for ``timeout`` seconds at the most."""
        assert isinstance(waiter, TaskWaiter)
        waiter.park(timeout, nested.fileno())

    async def wait_until_idle(self, call: AwaitedCall) -> None:
        """Do nothing. A greenlet that waits has its task await something, so it is idle."""

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Have the task of the current greenlet await a coroutine, and not be disturbed."""
        call = greenlet.getcurrent().call
        if call.is_shielded() or self.is_cancelled():
            coroutine = self.undisturbed(coroutine)
        return call.hand_over(coroutine)

    async def run_alone(self, func: Callable[[], object]) -> None:
        """Do what :meth:`run_in_task` does, and report an error. Nobody else would hear of it."""
        try:
            await self.run_in_task(func)
        except self.cancelled_error:
            raise
        except BaseException as error:
            report_error(error)

    async def run_in_task(self, func: Callable[[], object]) -> None:
        """Call ``func`` in a greenlet of the current task."""
        with contextlib.suppress(greenlet.GreenletExit):
            await CallGreenlet(self).call(func, last=True)

    def may_park(self, greenlet: Any) -> bool:
        """Return True for a greenlet of this hub. Another one may run the loop."""
        return super().may_park(greenlet) and greenlet.hub is self

    def serve(self, handler: object) -> None:
        """Do nothing. The library ends the tasks of idle workers itself."""

    def reschedule(self, func: Callable[[], object]) -> None:
        """Call ``func``, which reschedules a task: at once if that is allowed here, or soon.

        Any thread may call this.
        """
        if self.is_mine() and self.is_awake():
            func()
        else:
            self.call_soon_threadsafe(func)

    def call_soon(self, func: Callable[[], object]) -> None:
        """Have the loop call ``func``. Only the loop's thread calls this."""
        if self.has_ended() or not self.is_awake():
            self.call_soon_threadsafe(func)
        else:
            self._due.append(func)
            self.driver.wake_at_once()

    async def drive(self) -> None:
        """Call what is due, until the library cancels the task that runs this. Then the hub ends.

        A model runs it in a task of its own.
        """
        try:
            while True:
                await self.driver.wait()
                self._call_due()
        finally:
            self.end()
            self._call_due()

    def _call_due(self) -> None:
        for _ in range(len(self._due)):
            self._due.popleft()()
