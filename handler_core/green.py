"""What the models have in common whose tasks are greenlets.

A hub runs in each thread that has greenlets, and resumes them one at a time. Everything that a
model must say of its library is in :class:`Hub`: how to have something called by the hub (soon,
later, from another thread, when a descriptor is readable), and how to switch to it. From that,
here, once: how a greenlet parks, the tasks, the workers' home, ``select``, and fork.

**Waking from any thread.** A greenlet that parks leaves a waiter; whoever wakes it asks the
waiter's own hub to switch to it, over the thread-safe way if it is another thread. So a result
may be set by a greenlet of any hub and by a thread that has none, and a thread without a hub waits
for a result as threads do, on a native lock. The event and result classes of gevent and eventlet
are for one thread.

**Select.** As :mod:`handler_core.selecting` does it for green models: the hub watches one
descriptor, an ``epoll`` with all the others. So it does not matter how many there are, whether
others watch them too, and what the hub's own poll can report.
"""

from __future__ import annotations

import _thread
import abc
import sys
import time
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar

from handler_core.handler import Handler
from handler_core.inherited import GreenletTasks
from handler_core.lifecycle import Task
from handler_core.parking import ThreadWaiter, Waiter
from handler_core.result import AsyncResult
from handler_core.selecting import (
    A_MOMENT,
    FAIR,
    FileObject,
    Nested,
    SelectLists,
    checked_timeout,
    poll_lists,
    select_by_waiting,
    take_interest,
)
from handler_core.synchronization import Event, Lock, RLock

__all__ = ["GreenHandler", "GreenTask", "GreenWaiter", "Hub"]


class Hub(abc.ABC):
    """The hub of one thread.

    A model has one object for each thread's hub, makes it in that thread, and finds it again by
    :meth:`GreenHandler.current_hub`.

    Args:
        native_local: ``threading.local`` as it was before patching.
    """

    def __init__(self, native_local: Callable[[], Any]) -> None:
        #: When a greenlet last parked, by ``time.monotonic``.
        self.parked_at = time.monotonic()
        end = _ThreadEnd()
        self._end = weakref.ref(end)
        self._of_thread = native_local()
        self._of_thread.end = end

    #: What it is called in an error.
    title: ClassVar[str]

    #: What to write in place of a call that would block it.
    advice: ClassVar[str] = "call it in a greenlet of its own, with handler.spawn(...)"

    @abc.abstractmethod
    def may_park(self, greenlet: Any) -> bool:
        """Return False for a greenlet that may not: the one that runs the hub."""

    @abc.abstractmethod
    def is_mine(self) -> bool:
        """Return True in the thread of this hub."""

    def has_ended(self) -> bool:
        """Return True if the hub's thread has ended."""
        return self._end() is None

    def wake_at_end(self, waiter: Waiter) -> bool:
        """Wake ``waiter`` if the hub's thread ends; False if it has ended already."""
        end = self._end()
        if end is None:
            return False
        end.waiters.add(waiter)
        return True

    @abc.abstractmethod
    def spawn(self, func: Callable[[], object]) -> None:
        """Run ``func`` in a new greenlet. In the hub's thread."""

    @abc.abstractmethod
    def call_soon(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. In the hub's thread."""

    @abc.abstractmethod
    def call_soon_threadsafe(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. From any thread, and it wakes at once."""

    @abc.abstractmethod
    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` in so many seconds; return what cancels that."""

    @abc.abstractmethod
    def add_reader(self, fd: int, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` while ``fd`` is readable; return what ends that."""

    @abc.abstractmethod
    def switch(self) -> None:
        """Switch to the hub, until it switches back to this greenlet.

        Somebody in another thread may be about to wake it: a hub that has nothing else to wait
        for must wait.
        """

    def call(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. From any thread."""
        if self.is_mine():
            self.call_soon(func)
        else:
            self.call_soon_threadsafe(func)

    # What is made of that.

    def new_waiter(self, greenlet: Any) -> GreenWaiter:
        """Return a waiter for the current greenlet.

        Raises:
            RuntimeError: it may not park.
        """
        if not self.may_park(greenlet):
            raise RuntimeError(
                f"this would block the {self.title}, which runs all greenlets of this thread: "
                + self.advice
            )
        return GreenWaiter(self, greenlet)

    def await_readable(self, nested: Nested, waiter: GreenWaiter, timeout: float | None) -> None:
        """Park until ``nested`` is readable, for ``timeout`` seconds at the most."""
        stop = self.add_reader(nested.fileno(), waiter.wake_at_once)
        try:
            waiter.park(timeout)
        finally:
            stop()

    def let_others_run(self, waiter: GreenWaiter) -> None:
        """Park until everybody else who is due has run."""
        waiter.park(A_MOMENT)

    def select(
        self,
        greenlet: Any,
        rlist: Sequence[FileObject],
        wlist: Sequence[FileObject],
        xlist: Sequence[FileObject],
        timeout: float | None,
    ) -> SelectLists:
        """Wait as ``select.select`` does, in the current greenlet, while others run.

        A caller that finds something ready does not park. So that a loop around it does not
        keep the others from running, it does park once it has gone on for some milliseconds.
        """
        interest, sockets = take_interest(rlist, wlist, xlist)
        if time.monotonic() - self.parked_at > FAIR and self.may_park(greenlet):
            self.let_others_run(GreenWaiter(self, greenlet))

        def await_readable(nested: Nested, timeout: float | None) -> None:
            self.await_readable(nested, self.new_waiter(greenlet), timeout)

        return select_by_waiting(interest, sockets, timeout, await_readable)


class _ThreadEnd:
    """Lies in a thread's local storage, where nobody but the thread's end frees it."""

    __slots__ = ("__weakref__", "waiters")

    def __init__(self) -> None:
        self.waiters: weakref.WeakSet[Waiter] = weakref.WeakSet()

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if not is_finalizing():  # when modules are gone, and nobody waits
            for waiter in self.waiters:
                waiter.wake()


class GreenWaiter:
    """Parks a greenlet."""

    __slots__ = ("__weakref__", "_greenlet", "_hub", "_parked", "_woken")

    def __init__(self, hub: Hub, greenlet: Any) -> None:
        self._hub = hub
        self._greenlet = greenlet
        self._woken = False
        self._parked = False

    def park(self, timeout: float | None = None) -> bool:
        """Let the hub run until :meth:`wake`, for ``timeout`` seconds at the most."""
        hub = self._hub
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._woken:
            cancel = None
            if deadline is not None:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    break
                cancel = hub.call_later(remaining, self._resume)
            self._parked = True
            try:
                hub.switch()
            finally:
                self._parked = False
                if cancel is not None:
                    cancel()
        hub.parked_at = time.monotonic()
        return self._woken

    def wake(self) -> None:
        """Let the parked greenlet go on."""
        self._woken = True
        self._hub.call(self._resume)

    def wake_at_once(self) -> None:
        """Let the parked greenlet go on. In its hub, which is not even to take another turn."""
        self._woken = True
        self._resume()

    def _resume(self) -> None:
        # In the hub. Whoever is not parked here is elsewhere, and not to be disturbed.
        if self._parked:
            self._greenlet.switch()


class GreenTask:
    """A spawned greenlet, for whoever wants to wait for its end, from any thread."""

    def __init__(
        self,
        handler: GreenHandler,
        func: Callable[..., object],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        self._ended: AsyncResult[None] = AsyncResult(handler)
        self._call = func, args, kwargs

    def run(self) -> None:
        """Call the function: what the greenlet does."""
        func, args, kwargs = self._call
        del self._call
        try:
            func(*args, **kwargs)
        finally:
            self._ended.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the task has ended, for ``timeout`` seconds at the most.

        Raises:
            RuntimeError: called in the hub itself, which cannot wait.
        """
        self._ended.wait(timeout)

    def is_alive(self) -> bool:
        """Return True while the task has not ended."""
        return not self._ended.ready()


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
                    self._callbacks.retire()
                    self._completions.retire()
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
        if hub is not None and time.monotonic() - hub.parked_at > FAIR and hub.is_mine():
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
            return poll_lists(rlist, wlist, xlist, timeout)
        return hub.select(self.current_task(), rlist, wlist, xlist, timeout)

    # Fork.

    def is_kill(self, exception: BaseException) -> bool:
        """Return True if the worker was killed by this exception, from outside."""
        return self._tasks.is_exit(exception)

    def _after_fork_in_child(self) -> None:
        super()._after_fork_in_child()
        self._home = None

    def _end_inherited_tasks(self) -> None:
        hub = self.current_hub()
        if hub is not None:
            self._tasks.end_inherited(hub.call_soon)
