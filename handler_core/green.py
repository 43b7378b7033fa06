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

**Select.** The question is asked of the kernel with a ``poll`` that does not wait; mostly that is
all. Else the descriptors go into an ``epoll``, and the hub watches that one descriptor. So it does
not matter how many there are, whether others watch them too, and what the hub's own poll can
report: gevent's has no out-of-band data, and eventlet's no second reader.
"""

from __future__ import annotations

import _thread
import abc
import contextlib
import select
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar

from handler_core.handler import Handler
from handler_core.lifecycle import Task
from handler_core.parking import ThreadWaiter, Waiter
from handler_core.result import AsyncResult
from handler_core.selecting import FileObject, Interest, SelectLists, checked_timeout
from handler_core.synchronization import Event, Lock, RLock

__all__ = ["GreenHandler", "GreenTask", "GreenWaiter", "Hub"]

# For how long a greenlet may go on without the others, in seconds: see `select`.
_FAIR = 0.002


class Hub(abc.ABC):
    """The hub of one thread.

    A model has one object for each thread's hub, makes it in that thread, and finds it again by
    :meth:`GreenHandler.current_hub`.
    """

    def __init__(self) -> None:
        #: When a greenlet last parked, by ``time.monotonic``.
        self.parked_at = time.monotonic()
        #: True once the hub's thread has ended.
        self.ended = False
        self._end_watchers: dict[object, Callable[[], object]] = {}

    @property
    @abc.abstractmethod
    def greenlet(self) -> Any:
        """The greenlet that runs the hub, and cannot park."""

    @abc.abstractmethod
    def is_mine(self) -> bool:
        """Return True in the thread of this hub."""

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

    def watch_end(self, ended: Callable[[], object]) -> Callable[[], object] | None:
        """Have ``ended`` called if the hub's thread ends; return what undoes that.

        None if it has ended already.
        """
        # No lock: this may be the child of a fork, in which nobody would release it. The one
        # who enters looks at the flag afterwards, and the one who sets it looks here afterwards.
        key = object()
        self._end_watchers[key] = ended
        if self.ended:
            self._end_watchers.pop(key, None)
            return None
        return lambda: self._end_watchers.pop(key, None)

    def end(self) -> None:
        """Say that the hub's thread ends. The model calls this, once, from wherever it sees it."""
        self.ended = True
        while self._end_watchers:
            _, ended = self._end_watchers.popitem()
            ended()

    def call(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. From any thread."""
        if self.is_mine():
            self.call_soon(func)
        else:
            self.call_soon_threadsafe(func)


class GreenWaiter:
    """Parks a greenlet."""

    __slots__ = ("_greenlet", "_hub", "_parked", "_woken")

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
        self._handler = handler
        self._process = handler._process
        self._ended: AsyncResult[None] = AsyncResult(handler)
        self._call = func, args, kwargs

    def run(self) -> None:
        """Call the function: what the greenlet does."""
        func, args, kwargs = self._call
        del self._call
        handler = self._handler
        if self._process is not handler._process:
            return  # spawned in the parent of this process, which runs it
        greenlet = handler.current_task()
        handler._greenlets.add(greenlet)
        try:
            func(*args, **kwargs)
        finally:
            handler._greenlets.discard(greenlet)
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

    #: ``allocate_lock`` of ``_thread``, and ``poll`` of ``select``, as they were before patching.
    native_lock: Callable[[], Any]
    native_poll: Callable[[], Any]

    #: The exception that ends a greenlet.
    greenlet_exit: ClassVar[type[BaseException]]

    def __init__(self) -> None:
        self._home: Hub | None = None
        #: The started greenlets of this handler, and what tells this process from its parent.
        self._greenlets: set[Any] = set()
        self._process = object()
        super().__init__()

    @classmethod
    def current_hub(cls) -> Hub | None:
        """Return the hub of this thread; None in a thread that has none and is to get none."""
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
        greenlet = self.current_task()
        if greenlet is hub.greenlet:
            raise RuntimeError(
                f"this would block the {self.name} hub, which runs all greenlets of this thread: "
                "call it in a greenlet of its own, with handler.spawn(...)"
            )
        return GreenWaiter(hub, greenlet)

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
        """Begin to run callbacks, in the hub of this thread."""
        with self._lock:
            if self._home is None or self._idle() or self._home.ended:
                hub = self.current_hub()
                if hub is None:
                    raise RuntimeError(
                        f"this thread has no {self.name} hub to run callbacks in: call start() "
                        "in a thread that runs greenlets"
                    )
                if self._home is not None and hub is not self._home:
                    self._callbacks.retire()
                    self._completions.retire()
                self._home = hub
            super().start()

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> GreenTask:
        """Run ``func(*args, **kwargs)`` in a greenlet of this thread.

        In a thread without a hub: in one of the thread that started the handler.

        Raises:
            RuntimeError: this thread has no hub, and the handler was never started.
        """
        hub = self.current_hub() or self._home
        if hub is None:
            raise RuntimeError(
                f"this thread has no {self.name} hub: start the handler in one that has"
            )
        return self._spawn_in(hub, func, args, kwargs)

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
        if hub.is_mine():
            hub.spawn(task.run)
        else:
            hub.call_soon_threadsafe(lambda: hub.spawn(task.run))
        return task

    def watch_home(self, ended: Callable[[], object]) -> Callable[[], object] | None:
        """Have ``ended`` called if the home thread ends; None if it has ended already."""
        return super().watch_home(ended) if self._home is None else self._home.watch_end(ended)

    # Select.

    def select_in_hub(
        self,
        rlist: Sequence[FileObject],
        wlist: Sequence[FileObject],
        xlist: Sequence[FileObject],
        timeout: float | None,
    ) -> SelectLists:
        """Wait as ``select.select`` does, while other greenlets run.

        A caller that finds something ready does not park. So that a loop around it does not
        keep the others from running, it does park once it has gone on for some milliseconds.
        """
        timeout = checked_timeout(timeout)
        interest = Interest(rlist, wlist, xlist)
        hub = self.current_hub()
        if hub is None:
            return interest.poll(self.native_poll(), timeout)
        if time.monotonic() - hub.parked_at > _FAIR and self.current_task() is not hub.greenlet:
            self._let_others_run(hub)
        ready = interest.poll(self.native_poll(), 0)
        if timeout == 0 or any(ready):
            return ready
        deadline = None if timeout is None else time.monotonic() + timeout
        with select.epoll() as epoll:
            for fd, mask in interest.masks.items():
                # A regular file, which cannot be watched, was ready above, or never will be.
                with contextlib.suppress(PermissionError):
                    epoll.register(fd, mask)
            while True:
                self._await_readable(hub, epoll.fileno(), deadline)
                ready = interest.poll(self.native_poll(), 0)
                if any(ready) or (deadline is not None and time.monotonic() >= deadline):
                    return ready

    def _await_readable(self, hub: Hub, fd: int, deadline: float | None) -> None:
        waiter = self.new_waiter()
        stop = hub.add_reader(fd, waiter.wake)
        try:
            waiter.park(None if deadline is None else max(0, deadline - time.monotonic()))
        finally:
            stop()

    def _let_others_run(self, hub: Hub) -> None:
        waiter = self.new_waiter()
        hub.call_soon(waiter.wake)
        waiter.park()

    # Fork.

    def _after_fork_in_child(self) -> None:
        super()._after_fork_in_child()
        self._home = None
        self._process = object()

    def _end_inherited_tasks(self) -> None:
        """End the greenlets that the child has from its parent: they would do its work twice.

        They are ended by the exception that ends greenlets, here and now: left to the hub, one
        that is about to be resumed would read the parent's next bytes first.
        """
        current: Any = self.current_task()
        inherited, self._greenlets = self._greenlets - {current}, self._greenlets & {current}
        for greenlet in inherited:
            if not greenlet.dead:
                greenlet.parent = current
                greenlet.throw(self.greenlet_exit)
