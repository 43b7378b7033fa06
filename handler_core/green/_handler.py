"""``GreenHandler``: the base of handlers whose tasks are greenlets.

It says how callers wait, where tasks and workers run, how ``select`` waits, and what a forked
child ends. The hub (:class:`Hub`) does the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from handler_core.execution._interfaces import Task
from handler_core.execution._synchronization import Event, Lock, RLock
from handler_core.execution._waiter import ThreadWaiter, Waiter
from handler_core.green._fork import freeze_inherited
from handler_core.green._hub import Hub
from handler_core.green._task import GreenTask, TaskRun
from handler_core.handler._handler import Handler
from handler_core.network._select import LONGEST_TURN, blocking_select
from handler_core.network._select_arguments import FileObject, SelectLists, checked_timeout
from handler_core.network._short_calls import quick_select

__all__ = ["GreenHandler"]


class GreenHandler(Handler):
    """The base of a handler whose tasks are greenlets.

    A subclass names its modules and its :attr:`native_lock`, implements :meth:`current_hub` and
    ``current_task``, and marks the hooks. Its ``select`` calls :meth:`select_in_hub`.
    """

    #: The function ``_thread.allocate_lock`` as it was before patching.
    native_lock: Callable[[], Any]

    cooperative = True

    def __init__(self) -> None:
        #: The hub that runs the workers; None before the first ``start`` and in a forked child.
        self.home: Hub | None = None
        super().__init__()

    @classmethod
    def current_hub(cls, make: bool = False) -> Hub | None:
        """Return the hub of this thread, or None if it has none.

        The main thread gets a hub if it has none. Any other thread gets one only if ``make`` is
        true: a thread needs no hub to wait, but it needs one to run greenlets.
        """
        raise NotImplementedError

    def current_task(self) -> Hashable:
        """Return the current greenlet."""
        raise NotImplementedError

    # Waiting.

    def new_waiter(self) -> Waiter:
        """Return a waiter for this greenlet, or for this thread if it has no hub.

        Raises:
            RuntimeError: the caller is the hub itself, which may not block.
        """
        hub = self.current_hub()
        if hub is None:
            return ThreadWaiter(self.native_lock)
        return hub.new_waiter(self.current_task())

    def event_object(self) -> Event:
        """Return a new event with the methods of ``threading.Event``."""
        return Event(self.new_waiter)

    def lock_object(self) -> Lock:
        """Return a new lock with the methods of ``threading.Lock``."""
        return Lock(self.new_waiter)

    def rlock_object(self) -> RLock:
        """Return a new lock with the methods of ``threading.RLock``."""
        return RLock(self.new_waiter, self.current_task)

    # Tasks and their home.

    def start(self) -> None:
        """Begin to run callbacks, in the hub of this thread.

        A thread without a hub starts them in the hub of the last ``start``. If there was none, or
        its thread has ended, this thread gets a new hub, and must let it run.
        """
        with self._lock:
            home = self._live_home()
            if home is None or (not self.running and self._drain is None):
                hub = self.hub_for_tasks()
                if self.home is not None and hub is not self.home:
                    self.forget_workers()
                self.home = hub
            super().start()

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> GreenTask:
        """Run ``func(*args, **kwargs)`` in a greenlet of this thread.

        A thread without a hub runs it in the hub of the last ``start``. If there was none, or its
        thread has ended, this thread gets a new hub, which runs whenever this thread waits.
        """
        return self._spawn_in(self.hub_for_tasks(), func, args, kwargs)

    def hub_for_tasks(self) -> Hub:
        """Return the hub in which a task of this caller runs; see ``spawn``."""
        hub = self.current_hub() or self._live_home() or self.current_hub(make=True)
        assert hub is not None
        return hub

    def spawn_worker(self, run: Callable[[], object], if_never_begun: Callable[[], object]) -> Task:
        """Run a worker in the home hub."""
        assert self.home is not None
        return self._spawn_in(self.home, run, (), {}, if_never_begun)

    def give_way(self) -> None:
        """Let other greenlets run if this worker has gone on for some milliseconds."""
        hub = self.home
        if hub is not None and time.monotonic() - hub.parked_at > LONGEST_TURN and hub.is_mine():
            hub.let_others_run(hub.new_waiter(self.current_task()))

    def watch_home(self, waiter: Waiter) -> bool:
        """Wake ``waiter`` if the home thread ends; return False if it has ended already."""
        return self.home is None or self.home.wake_at_end(waiter)

    def home_clock(self) -> Callable[[], float]:
        """Return the clock of the home hub, or of the caller's while there is none."""
        hub = self._live_home() or self.current_hub()
        return time.monotonic if hub is None else hub.clock

    def is_end_of_home(self, exception: BaseException) -> bool:
        """Return True if the home hub has ended."""
        return self.home is not None and self.home.has_ended()

    def _live_home(self) -> Hub | None:
        home = self.home
        return None if home is None or home.has_ended() else home

    def _spawn_in(
        self,
        hub: Hub,
        func: Callable[..., object],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        if_never_begun: Callable[[], object] | None = None,
    ) -> GreenTask:
        task = GreenTask(self, hub, func, args, kwargs, if_never_begun)
        run = TaskRun(task)
        is_worker = if_never_begun is not None
        if hub.is_mine():
            self.begin_task(hub, run, is_worker)
        else:
            hub.call_soon_threadsafe(lambda: self.begin_task(hub, run, is_worker))
        return task

    def begin_task(self, hub: Hub, run: Callable[[], object], is_worker: bool = False) -> None:
        """Have a hub run a task of this handler. Only the hub's thread calls this."""
        hub.spawn(run)

    # Select.

    def select_in_hub(
        self,
        rlist: Sequence[FileObject],
        wlist: Sequence[FileObject],
        xlist: Sequence[FileObject],
        timeout: float | None,
    ) -> SelectLists:
        """Wait as ``select.select`` does, while other greenlets run.

        A subclass's ``select`` calls this. See :meth:`Hub.select`.
        """
        hub = self.current_hub()
        if hub is None:
            return blocking_select(rlist, wlist, xlist, timeout)
        if quick_select is not None and time.monotonic() - hub.parked_at < LONGEST_TURN:
            ready = quick_select(rlist, wlist, xlist, timeout, False)
            if ready is not None:
                return ready
        timeout = checked_timeout(timeout)
        return hub.select(self.current_task(), rlist, wlist, xlist, timeout)

    # Fork.

    def after_fork_in_child(self) -> None:
        """Become empty and stopped; see :meth:`handler_core.Handler.after_fork_in_child`."""
        super().after_fork_in_child()
        self.home = None

    def freeze_inherited_tasks(self) -> None:
        """Let the tasks of the parent process stand still, for ever; see :class:`FreezableTask`."""
        hub = self.current_hub() if freeze_inherited() else None
        if hub is not None:
            hub.leave_frozen()
