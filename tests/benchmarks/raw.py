"""The raw primitives below a handler, each with the methods that the rows of the table call.

A primitive does only the one thing that its row measures. It leaves out the rest of a handler's
work: no other thread may touch a result, a worker cannot be stopped, and an exception ends it. So
no handler can be as quick.
"""

from __future__ import annotations

import _thread
import concurrent.futures
import queue
import select
import threading
from collections.abc import Callable, Sequence
from typing import Any

__all__ = [
    "FUTURE",
    "GEVENT_RESULT",
    "REGISTERED_ONCE",
    "Futures",
    "GeventResults",
    "PollEachTime",
    "PollRegisteredOnce",
    "hand_over_of",
    "queue_of",
    "slotted_results",
]

REGISTERED_ONCE = "poll, registered once"
FUTURE = "concurrent.futures.Future"
GEVENT_RESULT = "gevent.event.AsyncResult"


class _SlottedResult:
    """An object with the slots that a result with links and waiters must have."""

    __slots__ = ("__weakref__", "handler", "links", "outcome", "waiters")

    def __init__(self) -> None:
        self.handler = self.outcome = self.links = self.waiters = None

    def set(self, value: Any) -> None:
        self.outcome = value

    def get(self) -> Any:
        return self.outcome


class _Results:
    def __init__(self, new: Callable[[], Any]) -> None:
        self.async_result = new


def slotted_results() -> _Results:
    """Return a factory of objects with two slots, one to set and one to get."""
    return _Results(_SlottedResult)


class _Future(concurrent.futures.Future):  # type: ignore[type-arg]
    set = concurrent.futures.Future.set_result
    get = concurrent.futures.Future.result


class _Threads:
    event_object = threading.Event

    def spawn(self, func: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=func, daemon=True)
        thread.start()
        return thread


class Futures(_Threads):
    """``concurrent.futures.Future`` as the result."""

    async_result = _Future


class _LockResult:
    """A lock that ``get`` waits for and another task's ``set`` releases. It has no value."""

    __slots__ = ("_lock", "get")

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self.get = self._lock.acquire
        self.get()

    def set(self, value: None) -> None:
        self._lock.release()


class _LockHandOver(_Threads):
    async_result = _LockResult


class _SimpleQueue(_Threads):
    """A worker thread that reads a ``queue.SimpleQueue``."""

    def __init__(self) -> None:
        items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.dispatch_callback = items.put
        self.spawn(lambda: _run_all(items.get))


def _run_all(get: Callable[[], Any]) -> None:
    while True:
        callback = get()
        callback.func(*callback.args)


class _HubResult:
    """A turn of the hub: another task's ``set`` makes the hub switch to the waiting task."""

    __slots__ = ("_call_soon", "_current", "_hub", "_is_set", "_waiter")

    def __init__(
        self, hub: Any, call_soon: Callable[[Any], object], current: Callable[[], Any]
    ) -> None:
        self._hub = hub
        self._call_soon = call_soon
        self._current = current
        self._is_set = False
        self._waiter = None

    def set(self, value: None) -> None:
        self._is_set = True
        if self._waiter is not None:
            self._call_soon(self._waiter.switch)

    def get(self) -> None:
        if not self._is_set:
            self._waiter = self._current()
            self._hub.switch()


class _Gevent:
    def __init__(self) -> None:
        import gevent.event

        self.event_object = gevent.event.Event
        self.spawn = gevent.spawn


class GeventResults(_Gevent):
    """gevent's own ``AsyncResult``."""

    def __init__(self) -> None:
        super().__init__()
        import gevent.event

        self.async_result = gevent.event.AsyncResult


class _GeventHandOver(_Gevent):
    def __init__(self) -> None:
        super().__init__()
        import gevent

        self._hub = gevent.get_hub()
        self._current = gevent.getcurrent

    def async_result(self) -> _HubResult:
        return _HubResult(self._hub, self._hub.loop.run_callback, self._current)


class _GeventQueue(_Gevent):
    """A greenlet that reads a ``gevent.queue.SimpleQueue``."""

    def __init__(self) -> None:
        super().__init__()
        import gevent.queue

        items = gevent.queue.SimpleQueue()
        self.dispatch_callback = items.put
        self.spawn(_run_all, items.get)


class _EventletTask:
    def __init__(self, thread: Any) -> None:
        self.join = thread.wait


class _Eventlet:
    def __init__(self) -> None:
        import eventlet.green.threading

        self.event_object = eventlet.green.threading.Event
        self._spawn = eventlet.spawn

    def spawn(self, func: Callable[..., object], *args: Any) -> _EventletTask:
        return _EventletTask(self._spawn(func, *args))


class _EventletHandOver(_Eventlet):
    def __init__(self) -> None:
        super().__init__()
        import eventlet
        import eventlet.hubs

        self._hub = eventlet.hubs.get_hub()
        self._current = eventlet.getcurrent

    def _call_soon(self, func: Callable[[], object]) -> None:
        self._hub.schedule_call_global(0, func)

    def async_result(self) -> _HubResult:
        return _HubResult(self._hub, self._call_soon, self._current)


class _EventletQueue(_Eventlet):
    """A green thread that reads an ``eventlet.queue.LightQueue``."""

    def __init__(self) -> None:
        super().__init__()
        import eventlet.queue

        items = eventlet.queue.LightQueue()
        self.dispatch_callback = items.put
        self.spawn(_run_all, items.get)


_HAND_OVERS = {
    "threading": _LockHandOver,
    "gevent": _GeventHandOver,
    "eventlet": _EventletHandOver,
}
_QUEUES = {"threading": _SimpleQueue, "gevent": _GeventQueue, "eventlet": _EventletQueue}


def hand_over_of(model: str) -> Any:
    """Return the class that switches between two tasks of a model and carries no value."""
    return _HAND_OVERS[model]()


def queue_of(model: str) -> Any:
    """Return a worker of a model that reads the library's quickest queue."""
    return _QUEUES[model]()


_Ready = tuple[list[Any], list[Any], list[Any]]


class PollEachTime:
    """A ``poll`` that is made anew at each call, as the signature of ``select`` demands."""

    def select(
        self, rlist: Sequence[Any], wlist: Sequence[Any], xlist: Sequence[Any], timeout: float
    ) -> _Ready:
        poll = select.poll()
        register, mask = poll.register, select.POLLIN
        for fileobj in rlist:
            register(fileobj, mask)
        # This does not look up which objects are ready. In its row they come first in the list.
        return list(rlist[: len(poll.poll(timeout * 1000))]), [], []


class PollRegisteredOnce:
    """A ``poll`` that keeps its sockets from call to call."""

    def __init__(self) -> None:
        self._rlist: Sequence[Any] = ()

    def select(
        self, rlist: Sequence[Any], wlist: Sequence[Any], xlist: Sequence[Any], timeout: float
    ) -> _Ready:
        if rlist is not self._rlist:
            self._rlist = rlist
            self._poll = select.poll()
            for fileobj in rlist:
                self._poll.register(fileobj, select.POLLIN)
        return list(rlist[: len(self._poll.poll(timeout * 1000))]), [], []
