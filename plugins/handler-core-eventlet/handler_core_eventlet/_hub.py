"""eventlet's hub, as handler-core uses it.

An eventlet hub cannot be woken by another thread. So each hub gets a queue of calls and a
:class:`Doorbell`. A thread that wants the hub to call a function puts it into the queue, and rings.
A signal handler and a finalizer may run in the hub's own thread while the hub sleeps, so they ring
too.

The doorbell lies in the local storage of the hub's thread, and is dropped when that thread ends.

After a fork, the child's hub has the parent's ``epoll``. A descriptor that the child takes out of
it would be taken out for the parent too. So the child's hub gets an ``epoll`` and a doorbell of its
own, and goes on.
"""

from __future__ import annotations

import _thread
import functools
import heapq
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import greenlet  # type: ignore[import-untyped]
from eventlet import hubs, patcher  # type: ignore[import-untyped]

from handler_core.green import (
    Hub,
    remove_frozen_listeners,
    renew_hub,
    resume_listeners,
    tell_at_abort,
)
from handler_core_eventlet._doorbell import Doorbell
from handler_core_eventlet._task_greenlet import TaskGreenlet

__all__ = ["EventletHub", "library_hub", "resume_who_waits"]

# The longest timer that a hub gets, in seconds. epoll counts milliseconds in a C int.
_LONGEST_TIMER = 86400.0

# How many cancelled timers a hub may keep before they are swept out.
_CANCELLED_TIMERS = 50

_native_local = patcher.original("threading").local

# The hub of each thread.
_thread_local = _native_local()

# The hubs of all threads, by their `id`. A thread may add one while another reads them.
_hubs: weakref.WeakValueDictionary[int, EventletHub] = weakref.WeakValueDictionary()

# The thread that gets a hub though it has not asked for one. eventlet does not patch `native_id` or
# `get_native_id`.
_main_thread = threading.main_thread().native_id


class EventletHub(Hub):
    """eventlet's hub of one thread."""

    title = "eventlet hub"

    def __init__(self, library: Any) -> None:
        super().__init__(_native_local)
        self._library = library
        self._process = os.getpid()
        self._calls: deque[Callable[[], object]] = deque()
        #: The greenlet of eventlet's that runs the hub, once a timer for the calls is in it.
        self._scheduled_in: Any = None
        self._running = False
        self._install_doorbell()
        tell_at_abort(library, self)
        _hubs[id(self)] = self

    @classmethod
    def current(cls, make: bool) -> EventletHub | None:
        """Return the hub of this thread, or None if it has none.

        The main thread gets a hub if it has none. Other threads do if ``make`` is true.
        """
        library = library_hub()
        hub: EventletHub | None = getattr(_thread_local, "hub", None)
        if hub is not None:
            if hub._library is library:
                return hub
            hub.end()  # the thread has left it, by `hubs.use_hub()`
            del _thread_local.hub
        if library is None:
            if not make and _thread.get_native_id() != _main_thread:
                return None
            library = hubs.get_hub()
        hub = _thread_local.hub = cls(library)
        return hub

    @classmethod
    def after_fork_in_child(cls) -> None:
        """Give this thread's hub an ``epoll`` and a doorbell that the parent does not share.

        Only the thread that has forked goes on in the child.
        """
        global _main_thread
        _main_thread = _thread.get_native_id()
        hub: EventletHub | None = getattr(_thread_local, "hub", None)
        if hub is not None and hub._process != os.getpid():
            hub._process = os.getpid()
            hub._renew()

    def may_park(self, greenlet: Any) -> bool:
        """Return True for any greenlet but the one that runs the hub."""
        # eventlet runs the hub in a new greenlet when the last one has ended.
        return greenlet is not self._library.greenlet

    def is_mine(self) -> bool:
        """Return True in the thread of this hub."""
        return library_hub() is self._library

    def has_ended(self) -> bool:
        """Return True if the hub's thread has ended or has left it, or the hub was aborted.

        ``abort()`` drops all timers. eventlet says that it makes all greenlets unreachable.
        """
        is_in_this_thread = hasattr(self.thread_local, "doorbell")
        return super().has_ended() or (is_in_this_thread and not self.is_mine())

    def hub_aborted(self) -> None:
        """End: nothing that waits in the hub goes on."""
        _thread_local.hub = None
        self.resumes = False
        self._calls.clear()
        self.end()

    def spawn(self, func: Callable[[], object]) -> None:
        """Run ``func`` in a new greenlet. Only the hub's thread calls this."""
        if self.resumes:
            self.call_soon(TaskGreenlet(func, self._library.greenlet).switch)

    def call_soon(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. Only the hub's thread calls this."""
        self._calls.append(func)
        if self._running or self._is_scheduled():
            return  # `_run_calls` is on its way
        if greenlet.getcurrent() is self._library.greenlet:
            # This may be a signal handler, and the hub may be about to sleep.
            self._ring()
        else:
            self._schedule()

    def call_soon_threadsafe(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``, and wake it at once. Any thread may call this."""
        self._calls.append(func)
        self._ring()

    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` in so many seconds; return a function that cancels it.

        If the time is longer than a day, the hub calls it after a day.
        """
        timer = self._library.schedule_call_global(min(seconds, _LONGEST_TIMER), func)

        def cancel() -> None:
            timer.cancel()
            self._sweep()

        return cancel

    def _sweep(self) -> None:
        """Drop cancelled timers. eventlet keeps each until it would be due, by the thousand."""
        library = self._library
        waiting = len(library.timers) + len(library.next_timers)
        if library.timers_canceled > max(_CANCELLED_TIMERS, waiting / 2):
            library.timers_canceled = 0
            library.timers = [entry for entry in library.timers if not entry[1].called]
            library.next_timers = [entry for entry in library.next_timers if not entry[1].called]
            heapq.heapify(library.timers)

    def add_reader(self, fd: int, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` while ``fd`` is readable; return a function that ends it.

        The descriptor was opened just now. If the hub still has a reader for this number, that
        reader's descriptor was closed, and the hub has not noticed.
        """
        library = self._library

        def call(_: object) -> None:
            func()

        library.mark_as_reopened(fd)
        listener = library.add(library.READ, fd, call, call, None)
        return lambda: library.remove(listener)

    def switch(self) -> None:
        """Switch to the hub; return when it switches back to this greenlet."""
        if self._calls and not self._running and not self._is_scheduled():
            self._schedule()  # the hub was aborted, and has dropped the timer
        self._library.switch()

    def resume_listeners(self, fd: int) -> Callable[[], None] | None:
        """Return what resumes who waits for a descriptor; see ``resume_listeners``."""
        return resume_listeners(self._library, fd, self.call)

    def leave_frozen(self) -> None:
        """Wait for nothing more that only frozen greenlets wait for, from the next turn on."""
        self._library.schedule_call_global(0, remove_frozen_listeners, self._library)

    def _install_doorbell(self) -> None:
        bell = self.thread_local.doorbell = Doorbell()
        self._doorbell = weakref.ref(bell)
        self.add_reader(bell.fileno(), self._answer_doorbell)

    def _ring(self) -> None:
        bell = self._doorbell()
        if bell is not None:
            bell.ring()

    def _answer_doorbell(self) -> None:
        # A timer runs the calls, and not this listener. A greenlet that ends with an exception
        # raises it in the caller that has resumed it. If a listener raises, eventlet gives up its
        # descriptor. If a timer raises, eventlet only prints that.
        if not self._is_scheduled():
            self._schedule()
        bell = self._doorbell()
        if bell is not None:
            bell.silence()

    def _schedule(self) -> None:
        # In this order, an interrupt between the two lines costs a needless timer, but no call.
        self._library.schedule_call_global(0, self._run_calls)
        self._scheduled_in = self._library.greenlet

    def _is_scheduled(self) -> bool:
        # eventlet runs the hub in a new greenlet when the last one has ended.
        greenlet = self._scheduled_in
        return greenlet is self._library.greenlet and not greenlet.dead

    def _run_calls(self) -> None:
        self._running = True
        self._scheduled_in = None
        calls = self._calls
        try:
            for _ in range(len(calls)):
                calls.popleft()()
        finally:
            self._running = False
            if calls and not self._is_scheduled():
                self._schedule()

    def _renew(self) -> None:
        library = self._library
        renew_hub(library)
        # This takes the parent's doorbell out of the hub.
        library.mark_as_reopened(self.thread_local.doorbell.fileno())
        self._install_doorbell()


def library_hub() -> Any:
    """Return eventlet's own hub of this thread, or None; make none."""
    return getattr(hubs._threadlocal, "hub", None)


def resume_who_waits(fd: int) -> Callable[[], None] | None:
    """Return what resumes the green threads that wait for a descriptor, once it is closed.

    Those of all threads: another one may close a socket. See ``watch_closed_descriptors``.
    """
    found = [
        resume
        for hub in [reference() for reference in _hubs.valuerefs()]
        if hub is not None and (resume := hub.resume_listeners(fd))
    ]
    if not found:
        library = library_hub()  # a thread may wait for its sockets and for nothing else
        return library and resume_listeners(
            library, fd, functools.partial(library.schedule_call_global, 0)
        )

    def resume_all() -> None:
        for resume in found:
            resume()

    return resume_all
