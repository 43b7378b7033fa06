"""Calls after a time: ``call_later``, and the worker that makes them.

The worker is a third one beside those of the callbacks. So a callback that blocks delays no timer,
and a timer may end what the callback waits for. The worker is started when there is a timer and not
before. It parks until the first one is due. A new timer wakes it only if that is the first.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from handler_core.execution._callback import Callback
from handler_core.execution._dispatch import Dispatch
from handler_core.execution._run_items import run_items

if TYPE_CHECKING:
    from handler_core.execution._mailbox import Drain, Item, Worker
    from handler_core.execution._timer_heap import TimerHandle, TimerHeap
    from handler_core.execution._waiter import Waiter

__all__ = ["Timing"]

# The longest time, in seconds, for which the worker parks. Some hubs and loops take no longer ones.
_LONGEST_PARK = 86400.0


class Timing(Dispatch):
    """Workers with timers."""

    def call_later(self, seconds: float, func: Callable[..., object], *args: Any) -> TimerHandle:
        """Have ``func(*args)`` called in so many seconds; return a handle that can cancel it.

        From any thread. The calls are made in the order of their times, and equal ones in the order
        in which they were set. A task of the handler makes them, one at a time. It is none of those
        that run callbacks, so a callback that blocks delays no timer. A ``func`` that blocks delays
        the timers after it: let it spawn a task. What it raises is logged, as with a callback.
        Wrappers of ``run_callback`` do not see it.

        They are made from ``start`` to the end of ``stop``. What is set before counts from the call
        of this method, and is called once the handler is started. What is still pending when a
        ``stop`` has run all callbacks and links is dropped.

        Args:
            seconds: the time, by :attr:`Handler.clock`. With 0 it is called soon. With ``math.inf``
                it is never called, and stays until it is cancelled or dropped.
            func: the function. It runs in the context (``contextvars``) in which a callback that
                was dispatched here would run.
            args: its positional arguments.

        Raises:
            TypeError: ``seconds`` is no number, or ``func`` cannot be called.
            ValueError: ``seconds`` is negative or not a number (NaN).
        """
        delay = _checked_seconds(seconds)
        if not callable(func):
            raise TypeError(f"call_later() takes a number of seconds and a function, not {func!r}")
        callback = Callback("timer", func, args)
        timers = self._timers or self._make_timers()
        item = (copy_context(), callback) if self.keeps_context else callback
        with self._lock:
            handle, due = timers.push(delay, item)
            if timers.waiter is None or due < timers.until:
                self._ensure_worker(timers)
        self._start_workers()
        return handle

    def _timer_heap(self) -> type[TimerHeap]:
        """Import the class of the timers. ``start`` does: a signal handler cannot at any point."""
        from handler_core.execution._timer_heap import TimerHeap

        return TimerHeap

    def _make_timers(self) -> TimerHeap:
        made = self._timer_heap()(self._lock, self.home_clock())
        # Another thread or a signal handler may have made one meanwhile.
        timers: TimerHeap = vars(self).setdefault("_timers", made)
        return timers

    def _work_timers(self, timers: TimerHeap, worker: Worker) -> None:
        """Call what is due, one at a time, until a drain ends the worker.

        Without the lock. This is what the task of the worker calls.
        """
        with self._lock:
            if timers.worker is not worker:
                return
            worker.identity = self.current_task()
            timers.count_by(self.home_clock())
        give_way = self.give_way if self.cooperative else None
        try:
            while (item := self._await_due(timers)) is not None:
                try:
                    run_items(self, deque((item,)), None, give_way)
                except (KeyboardInterrupt, SystemExit) as exception:
                    self.deliver_exit(exception)
                del item  # it is not kept alive until the next one is due
        except BaseException as exception:
            # The worker was killed from outside. A new one goes on, unless the home has ended.
            is_lost = self.is_end_of_home(exception)
            with self._lock:
                if timers.worker is worker:
                    timers.retire()
                if not is_lost and self._timers is timers and (timers.items or timers.drains):
                    self._ensure_worker(timers)
            self._start_workers()
            raise

    def _await_due(self, timers: TimerHeap) -> Item | None:
        """Park until a callback is due, and return it; return None if the worker must end.

        Without the lock.
        """
        waiter: Waiter | None = None
        while True:
            drain, item = None, None
            with self._lock:
                if self._timers is not timers:
                    return None  # this is a forked child, and the worker was the parent's
                # The waiter is there before the last look, as with the other workers.
                timers.waiter = waiter
                timers.busy = waiter is None
                if timers.drains:
                    drain = timers.drains[0]
                else:
                    item = timers.next_due()
                if drain is not None or item is not None:
                    timers.busy = True
                    timers.waiter = waiter = None
                seconds = timers.until - timers.clock()
            if item is not None:
                return item
            if drain is not None:
                if self._advance_timers(drain, timers):
                    return None
                self._start_workers()
                self._drain_here(drain)
            elif waiter is None:
                waiter = self.new_waiter()
            else:
                waiter.park(None if seconds == math.inf else min(max(seconds, 0), _LONGEST_PARK))
                waiter = None

    def _advance_timers(self, drain: Drain, timers: TimerHeap) -> bool:
        """Take a drain that has come to the timers one step on; return True if the worker must end.

        Without the lock.
        """
        raise NotImplementedError


def _checked_seconds(seconds: Any) -> float:
    """Return a time as a float, or raise what :meth:`Timing.call_later` says."""
    if not isinstance(seconds, (int, float)):
        if not hasattr(type(seconds), "__float__"):
            raise TypeError(f"call_later() takes a number of seconds, not {seconds!r}")
        seconds = float(seconds)
    if not seconds >= 0:
        raise ValueError(f"the seconds of call_later() must be 0 or more, not {seconds!r}")
    try:
        return float(seconds)
    except OverflowError:  # an int
        return math.inf
