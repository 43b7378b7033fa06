"""The pending timers of a handler, in a heap, and the handle of each.

To set a timer pushes it, in logarithmic time. To cancel one marks it, in constant time. A timer
that is cancelled stays in the heap until its time comes, or until more than half of the heap is
cancelled: then all of these are swept out. asyncio does the same. It suits a client best, which
sets a deadline for each request and cancels nearly all of them.

Each method is called under the handler's lock. A signal handler or a finalizer of the same thread
may still come in between, and set or cancel a timer. So no step relies on what an earlier one has
seen. ``heapq`` and ``filter`` run as one step here, because they call nothing that is Python.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from handler_core.execution._fork import this_process

if TYPE_CHECKING:
    from handler_core.execution._mailbox import Drain, Item, Worker
    from handler_core.execution._waiter import Waiter

__all__ = ["Entry", "TimerHandle", "TimerHeap"]

# How many cancelled timers may stay in the heap in any case.
_FEW = 64

#: When it is due, by the clock of the heap; how many were set before it; the callback, or None if
#: it has run or was cancelled. Two entries are compared by the first two.
Entry: TypeAlias = list[Any]

_is_pending: Callable[[Entry], Any] = itemgetter(2)


class TimerHandle:
    """A timer that was set. :meth:`handler_core.Handler.call_later` returns it."""

    __slots__ = ("__weakref__", "_entry", "_heap")

    __module__ = "handler_core"

    def __init__(self, heap: TimerHeap, entry: Entry) -> None:
        self._heap = heap
        self._entry = entry

    def cancel(self) -> bool:
        """Keep the function from being called, and forget it. From any thread.

        Returns:
            True if the function will not be called now. False if it was called already, is running,
            was cancelled before, or was dropped by a ``stop``. False in a forked child too, since
            the timer is the parent's.
        """
        heap = self._heap
        if heap.is_inherited():
            return False
        with heap.lock:
            item = heap.take(self._entry)
        # What it refers to is freed here, without the lock: a finalizer may want another one.
        return item is not None

    def __repr__(self) -> str:
        item = None if self._heap.is_inherited() else self._entry[2]
        return f"<{type(self).__name__} {'over' if item is None else _name(item)}>"


class TimerHeap:
    """What is to be called later, and the worker that calls it.

    It has the attributes of a :class:`~handler_core.execution._mailbox.Mailbox`, by which workers
    are found and started.

    Args:
        lock: the handler's lock.
        clock: the time in seconds. Any thread may call it.
    """

    __slots__ = (
        "_cancelled",
        "_generation",
        "_serial",
        "busy",
        "clock",
        "drains",
        "items",
        "lock",
        "until",
        "waiter",
        "worker",
    )

    def __init__(self, lock: Any, clock: Callable[[], float]) -> None:
        self.lock = lock
        self.clock = clock
        #: The heap.
        self.items: list[Entry] = []
        #: The drains of each ``stop`` that waits for the worker.
        self.drains: deque[Drain] = deque()
        #: True while the worker is sure to look at ``items`` again.
        self.busy = False
        self.worker: Worker | None = None
        #: The waiter on which the worker is parked, and when it goes on by itself.
        self.waiter: Waiter | None = None
        self.until = math.inf
        self._serial = 0
        self._cancelled = 0
        self._generation = this_process.generation

    def is_inherited(self) -> bool:
        """Return True in a forked child, where nothing of it is ever called."""
        return self._generation != this_process.generation

    def push(self, seconds: float, item: Item) -> tuple[TimerHandle, float]:
        """Add a callback that is due in so many seconds; return its handle, and when that is."""
        self._serial += 1
        entry: Entry = [self.clock() + seconds, self._serial, item]
        heapq.heappush(self.items, entry)
        return TimerHandle(self, entry), entry[0]

    def take(self, entry: Entry) -> Item | None:
        """Return the callback of an entry that is to be cancelled, once; then None."""
        item: Item | None = entry[2]
        entry[2] = None
        if item is not None:
            self._cancelled += 1
            if self._cancelled > _FEW and self._cancelled * 2 > len(self.items):
                self._sweep()
        return item

    def next_due(self) -> Item | None:
        """Take out and return the first callback if it is due, or else None.

        Then :attr:`until` says when one is.
        """
        items = self.items
        self.until = math.inf
        while items:
            first = items[0]
            if first[2] is not None:
                self.until = first[0]
                if first[0] > self.clock():
                    return None
            popped = heapq.heappop(items)
            if popped is not first:  # a signal handler has set one that is due before
                heapq.heappush(items, popped)
                continue
            item: Item | None = popped[2]
            popped[2] = None
            if item is not None:
                return item
            self._cancelled -= 1
        return None

    def take_all(self) -> list[Item]:
        """Cancel all that is pending; return it."""
        dropped, self.items = self.items, []
        self._cancelled = 0
        items: list[Item] = []
        for entry in dropped:
            items.append(entry[2])
            entry[2] = None
        return items

    def count_by(self, clock: Callable[[], float]) -> None:
        """Count the time by another clock from now on."""
        before = self.clock
        if clock == before:
            return
        entries = list(self.items)
        self.clock = clock
        passed = before()
        later = clock() - passed  # asked in this order, no timer comes early
        for entry in entries:
            entry[0] += later
        heapq.heapify(self.items)

    def retire(self) -> None:
        """Forget the worker. It is about to end, or ends as soon as it begins."""
        self.busy = False
        self.worker = self.waiter = None

    def _sweep(self) -> None:
        """Drop what is cancelled."""
        self._cancelled = 0
        self.items[:] = filter(_is_pending, self.items)
        heapq.heapify(self.items)


def _name(item: Any) -> str:
    from handler_core.execution._mailbox import as_callback

    func = as_callback(item).func
    return getattr(func, "__qualname__", repr(func))
