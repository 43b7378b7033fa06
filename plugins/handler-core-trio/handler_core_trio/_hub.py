"""trio's run loop as a hub of greenlets.

A handler of ``signal.signal`` may run in the loop's thread while the loop sleeps, and trio looks at
what is rescheduled only before it sleeps. So this hub first asks if a task runs. If none does, the
loop is woken as from another thread.
"""

from __future__ import annotations

import contextlib
import functools
import math
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextvars import copy_context
from typing import Any

import trio
from handler_core_greenlet import TaskHub, TaskWaiter, hub_of_thread

__all__ = ["TaskWaker", "TrioHub", "run_private_loop"]


class TrioHub(TaskHub):
    """A run of trio as a hub."""

    cancelled_error = trio.Cancelled

    def __init__(self) -> None:
        super().__init__()
        self._clock = trio.lowlevel.current_clock()
        self.token = trio.lowlevel.current_trio_token()
        self.driver = TaskWaker(self)
        trio.lowlevel.spawn_system_task(self.drive)  # trio cancels it after the main task
        _hub_of_run.set(self)

    @classmethod
    def current(cls) -> TrioHub | None:
        """Return the hub of the run of this thread; None if trio does not run in it."""
        hub = hub_of_thread()
        if isinstance(hub, cls) and hub.is_mine():
            return hub
        if not trio.lowlevel.in_trio_run():
            return None
        hub = _hub_of_run.get(None) or cls()
        hub.adopt()
        return hub

    def is_running(self) -> bool:
        """Return True while a thread runs the loop."""
        if not self.is_in_this_thread():
            return not self.has_ended()
        return trio.lowlevel.in_trio_run() and trio.lowlevel.current_trio_token() is self.token

    def leave_to_parent(self) -> None:
        """Belong to no thread of this process, and let its thread run trio anew."""
        if self.is_in_this_thread():
            vars(trio._core._run.GLOBAL_RUN_CONTEXT).clear()
            signal.set_wakeup_fd(-1)  # a signal of the child would wake the parent
        super().leave_to_parent()

    def clock(self) -> float:
        """Return the time of trio's clock, in seconds."""
        return self._clock.current_time()

    def is_awake(self) -> bool:
        """Return True if a task runs; see :meth:`TaskHub.is_awake`."""
        return trio.lowlevel.in_trio_task()

    def call_soon_threadsafe(self, func: Callable[[], object]) -> None:
        """Have the loop call ``func``, and wake it at once. Any thread may call this."""
        with contextlib.suppress(trio.RunFinishedError):  # no greenlet is left to wake
            self.token.run_sync_soon(copy_context().run, func)

    def spawn(self, func: Callable[[], object], nursery: Any = None, scope: Any = None) -> None:
        """Run ``func`` in a greenlet of a new task, in a copy of the caller's context.

        Without a nursery it is a system task. Otherwise it runs in ``scope``.
        """
        if not trio.lowlevel.in_trio_task():
            self.call_soon_threadsafe(functools.partial(self.spawn, func, nursery, scope))
            return
        if nursery is not None:
            with contextlib.suppress(RuntimeError):  # it has just been closed
                nursery.start_soon(self._run_in_nursery, func, scope or trio.CancelScope())
                return
        with contextlib.suppress(RuntimeError):  # the run is almost over
            trio.lowlevel.spawn_system_task(self.run_alone, func, context=copy_context())

    async def _run_in_nursery(self, func: Callable[[], object], scope: trio.CancelScope) -> None:
        with scope:
            await self.run_in_task(func)

    async def checkpoint(self) -> None:
        """Let other tasks run, and raise a cancellation of the current one."""
        await trio.lowlevel.checkpoint()

    def is_cancelled(self) -> bool:
        """Return True if a cancellation would reach the current task, if it waited now."""
        return trio.current_effective_deadline() == -math.inf

    async def wait_in_task(
        self, waiter: TaskWaiter, seconds: float, fd: int | None, shield: bool
    ) -> None:
        """Wait in a greenlet's task; see :meth:`TaskHub.wait_in_task`."""
        waker = TaskWaker(self)
        waiter.interrupt = waker.wake_at_once
        if fd is None and seconds == math.inf and not shield:  # most waits are like this
            if not waiter.is_woken():
                await waker.wait()
            return
        deadline = trio.current_time() + seconds
        with trio.CancelScope(deadline=deadline, shield=shield) as scope:
            if fd is not None:
                waiter.interrupt = scope.cancel
            while not waiter.is_woken():
                try:
                    await (waker.wait() if fd is None else trio.lowlevel.wait_readable(fd))
                    break
                except KeyboardInterrupt as error:  # a shield does not hold it back
                    if not (shield and waiter.postpone(error)):
                        raise

    async def undisturbed(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await a coroutine; see :meth:`TaskHub.undisturbed`."""
        with trio.CancelScope(shield=True):
            return await coroutine

    def getaddrinfo(self, *args: Any) -> Sequence[Any]:
        """Look addresses up by trio, while the current greenlet is parked."""
        infos: Sequence[Any] = self.await_coroutine(trio.socket.getaddrinfo(*args))
        return infos


_hub_of_run: trio.lowlevel.RunVar[TrioHub | None] = trio.lowlevel.RunVar("handler-core hub")


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
        if task is trio.lowlevel.current_task():  # a signal handler, before the task has parked
            self._task = task
            self._hub.call_soon_threadsafe(self.wake_at_once)
        elif task is not None:
            trio.lowlevel.reschedule(task)


def run_private_loop(begun: Callable[[TrioHub], None]) -> None:
    """Run a loop for ever, and call ``begun`` in it with its hub."""

    async def main() -> None:
        begun(TrioHub())
        await trio.sleep_forever()

    trio.run(main)
