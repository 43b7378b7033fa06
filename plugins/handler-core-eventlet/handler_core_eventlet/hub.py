"""eventlet's hub, as handler-core uses it, and the doorbell that it lacks.

An eventlet hub sleeps in the kernel until a timer is due or a descriptor is ready, and nothing
that another thread does ends that sleep. So each hub gets a doorbell: one end of a socket pair
that the hub watches, a queue of calls, and the other end, into which whoever has put a call into
the queue sends a byte. The same goes for a signal handler and a finalizer that run in the hub's
own thread while it sleeps there.

The doorbell lives in the local storage of its hub's thread, and ends with that. Not while another
thread rings it: its sockets close when the last one lets it go, so that nobody writes into a
descriptor which is somebody else's by then.

After a fork the child's hub has the parent's ``epoll``, in which a descriptor that the child gives
up is given up for the parent too. There the hub gets an ``epoll`` of its own, and goes on.
"""

from __future__ import annotations

import _socket
import _thread
import contextlib
import heapq
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import greenlet  # type: ignore[import-untyped]
from eventlet import hubs, patcher  # type: ignore[import-untyped]

from handler_core.green import Hub, renew_epoll

__all__ = ["EventletHub", "TaskGreenlet", "library_hub"]

# The longest sleep that a hub is asked for, in seconds: epoll counts milliseconds in a C int.
_LONGEST = 86400.0

# So many cancelled timers are worth no sweep.
_FEW = 50


class TaskGreenlet(greenlet.greenlet):  # type: ignore[misc]
    """The greenlet of a task. It knows a kill from an exception of the task's own."""

    #: True once somebody has killed it.
    killed = False

    def throw(self, *exception: Any) -> Any:
        """Raise the exception in this greenlet; without one, ``GreenletExit``."""
        kind = exception[0] if exception else greenlet.GreenletExit
        if isinstance(kind, greenlet.GreenletExit) or (
            isinstance(kind, type) and issubclass(kind, greenlet.GreenletExit)
        ):
            self.killed = True
        return super().throw(*exception)


class _Bell:
    """A socket pair, whose reading end a hub watches."""

    def __init__(self) -> None:
        self._reader, self._button = _socket.socketpair()
        self._reader.setblocking(False)
        self._button.setblocking(False)

    def fileno(self) -> int:
        return self._reader.fileno()

    def ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it has been rung often enough
            self._button.send(b"\0")

    def silence(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(65536)

    def __del__(self) -> None:
        self._reader.close()
        self._button.close()


_native_local = patcher.original("threading").local

# The hub of each thread.
_local = _native_local()

# The thread that gets a hub without having asked for one. Neither `native_id` is ever patched.
_main_thread = threading.main_thread().native_id


class EventletHub(Hub):
    """The hub of one thread."""

    title = "eventlet hub"

    def __init__(self, library: Any) -> None:
        super().__init__(_native_local)
        self._library = library
        self._process = os.getpid()
        self._calls: deque[Callable[[], object]] = deque()
        self._scheduled = False
        self._running = False
        self._hang_bell()

    @classmethod
    def current(cls, make: bool) -> EventletHub | None:
        """Return the hub of this thread; None in one that has none, but for the main thread."""
        library = library_hub()
        if library is None:
            if not make and _thread.get_native_id() != _main_thread:
                return None
            library = hubs.get_hub()
        hub: EventletHub | None = getattr(_local, "hub", None)
        if hub is None or hub._library is not library:
            hub = _local.hub = cls(library)
        return hub

    @classmethod
    def after_fork_in_child(cls) -> None:
        """Give the hub of the thread that is left what it must not share with the parent."""
        global _main_thread
        _main_thread = _thread.get_native_id()
        hub: EventletHub | None = getattr(_local, "hub", None)
        if hub is not None and hub._process != os.getpid():
            hub._process = os.getpid()
            hub._renew()

    def may_park(self, greenlet: Any) -> bool:
        """Return False for the greenlet that runs the hub: another one after it was ended."""
        return greenlet is not self._library.greenlet

    def is_mine(self) -> bool:
        """Return True in the thread of this hub."""
        return library_hub() is self._library

    def spawn(self, func: Callable[[], object]) -> None:
        """Run ``func`` in a new greenlet. In the hub's thread."""
        self.call_soon(TaskGreenlet(func, self._library.greenlet).switch)

    def call_soon(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. In the hub's thread."""
        self._calls.append(func)
        if self._scheduled or self._running:
            return  # it will be seen
        if greenlet.getcurrent() is self._library.greenlet:
            self._ring()  # it may be about to sleep: this may be a signal handler
        else:
            self._schedule()

    def call_soon_threadsafe(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. From any thread, and it wakes at once."""
        self._calls.append(func)
        self._ring()

    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` in so many seconds, or a day; return what cancels that."""
        timer = self._library.schedule_call_global(min(seconds, _LONGEST), func)

        def cancel() -> None:
            timer.cancel()
            self._sweep()

        return cancel

    def _sweep(self) -> None:
        """Drop cancelled timers, which eventlet keeps by the thousand, until they were due."""
        library = self._library
        waiting = len(library.timers) + len(library.next_timers)
        if library.timers_canceled > max(_FEW, waiting / 2):
            library.timers_canceled = 0
            library.timers = [entry for entry in library.timers if not entry[1].called]
            library.next_timers = [entry for entry in library.next_timers if not entry[1].called]
            heapq.heapify(library.timers)

    def add_reader(self, fd: int, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` while ``fd``, newly opened, is readable; return what ends it.

        A hub that still has a reader for this number has not heard that somebody closed it.
        """
        library = self._library

        def call(_: object) -> None:
            func()

        library.mark_as_reopened(fd)
        listener = library.add(library.READ, fd, call, call, None)
        return lambda: library.remove(listener)

    def switch(self) -> None:
        """Switch to the hub, until it switches back to this greenlet."""
        self._library.switch()

    def _hang_bell(self) -> None:
        bell = self._of_thread.bell = _Bell()
        self._bell = weakref.ref(bell)
        self.add_reader(bell.fileno(), self._answer)

    def _ring(self) -> None:
        bell = self._bell()
        if bell is not None:
            bell.ring()

    def _answer(self) -> None:
        # Not here: a greenlet that ends with an exception raises it in whoever has resumed it, and
        # eventlet gives up the descriptor of a listener that raises. With a timer it only says so.
        if not self._scheduled:
            self._schedule()
        bell = self._bell()
        if bell is not None:
            bell.silence()

    def _schedule(self) -> None:
        # In this order: an interrupt in between may cost a needless timer, and not a call.
        self._library.schedule_call_global(0, self._run_calls)
        self._scheduled = True

    def _run_calls(self) -> None:
        self._running = True
        self._scheduled = False
        calls = self._calls
        try:
            for _ in range(len(calls)):
                calls.popleft()()
        finally:
            self._running = False
            if calls and not self._scheduled:
                self._schedule()

    def _renew(self) -> None:
        library = self._library
        renew_epoll(library)
        library.mark_as_reopened(self._of_thread.bell.fileno())  # which takes it off the hub
        self._hang_bell()


def library_hub() -> Any:
    """Return eventlet's hub of this thread, without making one."""
    return getattr(hubs._threadlocal, "hub", None)
