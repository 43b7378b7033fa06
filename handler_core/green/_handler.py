"""``GreenHandler``: what the handlers of greenlet models have in common."""

from __future__ import annotations

import _thread
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from handler_core.execution._protocols import Task
from handler_core.execution._synchronization import Event, Lock, RLock
from handler_core.execution._waiter import ThreadWaiter, Waiter
from handler_core.green._fork import GreenletTasks
from handler_core.green._hub import Hub
from handler_core.green._task import GreenTask
from handler_core.handler._handler import Handler
from handler_core.network._select import LONGEST_TURN, blocking_select
from handler_core.network._select_arguments import FileObject, SelectLists, checked_timeout

__all__ = ["GreenHandler"]


class GreenHandler(Handler):
    """The base of a handler whose tasks are greenlets.

    A subclass names its modules, marks the hooks (``select`` by :meth:`select_in_hub`), and
    gives what is declared without a value here.
    """

    #: ``allocate_lock`` of ``_thread``, as it was before patching.
    native_lock: Callable[[], Any]

    cooperative = True

    def __init__(self) -> None:
        self._home: Hub | None = None
        self._tasks = GreenletTasks()
        super().__init__()

    @classmethod
    def current_hub(cls, make: bool = False) -> Hub | None:
        """Return the hub of this thread.

        The main thread gets one if it has none. So does any other if ``make`` is true: to wait
        a thread needs none, but to run greenlets it does.
        """
        raise NotImplementedError

    def current_task(self) -> Hashable:
        """Return the current greenlet."""
        raise NotImplementedError

    # Waiting.

    def new_waiter(self) -> Waiter:
        """Return a waiter for this greenlet, or for this thread if it has no hub."""
        hub = self.current_hub()
        if hub is None:
            return ThreadWaiter(self.native_lock)
        return hub.new_waiter(self.current_task())

    def new_native_rlock(self) -> Any:
        """Return a lock of the operating system's threads; ``RLock`` is patched by nobody."""
        return _thread.RLock()

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

        In a thread without a hub: in that of the thread that has started it before; or, if there
        is none or it has ended, in a new hub of this thread, which must then let it run.
        """
        with self._lock:
            home = self._live_home()
            if home is None or (not self.running and self._drain is None):
                hub = self._hub_for_tasks()
                if self._home is not None and hub is not self._home:
                    self.forget_workers()
                self._home = hub
            super().start()

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> GreenTask:
        """Run ``func(*args, **kwargs)`` in a greenlet of this thread.

        In a thread without a hub: in one of the thread that started the handler; or, if there is
        none or it has ended, in a new hub of this thread, which runs whenever this thread waits.
        """
        return self._spawn_in(self._hub_for_tasks(), func, args, kwargs)

    def _live_home(self) -> Hub | None:
        home = self._home
        return None if home is None or home.has_ended() else home

    def _hub_for_tasks(self) -> Hub:
        hub = self.current_hub() or self._live_home() or self.current_hub(make=True)
        assert hub is not None
        return hub

    def spawn_worker(self, func: Callable[..., object], *args: Any) -> Task:
        """Run a worker in the home thread."""
        assert self._home is not None
        return self._spawn_in(self._home, func, args, {})

    def _spawn_in(
        self,
        hub: Hub,
        func: Callable[..., object],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> GreenTask:
        task = GreenTask(self, func, args, kwargs)
        run = self._tasks.tracked(task.run)
        if hub.is_mine():
            hub.spawn(run)
        else:
            hub.call_soon_threadsafe(lambda: hub.spawn(run))
        return task

    def give_way(self) -> None:
        """Let the other greenlets run, if this worker has gone on for some milliseconds."""
        hub = self._home
        if hub is not None and time.monotonic() - hub.parked_at > LONGEST_TURN and hub.is_mine():
            hub.let_others_run(hub.new_waiter(self.current_task()))

    def watch_home(self, waiter: Waiter) -> bool:
        """Wake ``waiter`` if the home thread ends; False if it has ended already."""
        return self._home is None or self._home.wake_at_end(waiter)

    # Select.

    def select_in_hub(
        self,
        rlist: Sequence[FileObject],
        wlist: Sequence[FileObject],
        xlist: Sequence[FileObject],
        timeout: float | None,
    ) -> SelectLists:
        """Wait as ``select.select`` does, while other greenlets run; see :meth:`Hub.select`."""
        timeout = checked_timeout(timeout)
        hub = self.current_hub()
        if hub is None:
            return blocking_select(rlist, wlist, xlist, timeout)
        return hub.select(self.current_task(), rlist, wlist, xlist, timeout)

    # Fork.

    def is_kill(self, exception: BaseException) -> bool:
        """Return True if the worker was killed by this exception, from outside."""
        return self._tasks.is_exit(exception)

    def after_fork_in_child(self) -> None:
        """Become empty and stopped; see :meth:`handler_core.Handler.after_fork_in_child`."""
        super().after_fork_in_child()
        self._home = None

    def end_inherited_tasks(self) -> None:
        """End the tasks of the parent process. Called in a forked child, inside ``fork``."""
        hub = self.current_hub()
        if hub is not None:
            self._tasks.end_inherited(hub.call_soon)
