"""Handlers that break C21."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from typing import Any

from handler_core_gevent import SequentialGeventHandler

from broken.base import Threads, found_by
from handler_core import Callback, hookimpl
from handler_core.execution._timer_heap import TimerHandle, TimerHeap

# C21


@found_by("test_c21_in_the_order_of_their_times")
class C21CallsInTheOrderOfTheCalls(Threads):
    last = 0.0

    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        timer = super().call_later(seconds, func, *args)
        self.last = timer._entry[0] = max(self.last, timer._entry[0])
        return timer


@found_by("test_c21_in_the_order_of_their_times")
class C21LastInFirstOut(Threads):
    """Calls the last one first of those with the same time."""

    count = 0

    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        self.count += 1
        return super().call_later(seconds if seconds else 1e-3 / self.count, func, *args)


@found_by("test_c21_never_early")
class C21IsEarly(Threads):
    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        return super().call_later(seconds / 2, func, *args)


@found_by("test_c21_a_deadline_for_a_callback")
class C21DispatchesThem(Threads):
    """Calls them among the callbacks, so a callback that waits for one waits for ever."""

    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        return super().call_later(seconds, self.dispatch_callback, Callback("timer", func, args))


@found_by("test_c21_an_exception_is_logged")
class C21SpawnsThem(Threads):
    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        return super().call_later(seconds, self.spawn, func, *args)


@found_by("test_c21_one_that_is_due_before_the_others")
class C21SleepsInATask(Threads):
    """Calls them whether the handler runs or not."""

    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        timer: Any = TimerHandle(TimerHeap(self._lock, time.monotonic), [0, 0, None])
        super().call_later(seconds, int).cancel()  # refuses what is no time
        threading.Timer(min(seconds, 1e6), func, args).start()
        return timer


@found_by("test_c21_one_that_is_due_before_the_others")
class C21WakesNobody(Threads):
    """Notices a timer that is due before the others when one of these is due."""

    def _ensure_worker(self, mailbox: Any) -> None:
        if not isinstance(mailbox, TimerHeap) or mailbox.waiter is None or mailbox.drains:
            super()._ensure_worker(mailbox)


@found_by("test_c21_one_that_is_due_before_the_others")
class C21CancelSaysNothing(Threads):
    class _Handle(TimerHandle):
        def cancel(self) -> Any:
            super().cancel()

    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        timer = super().call_later(seconds, func, *args)
        return self._Handle(timer._heap, timer._entry)


@found_by("test_c21_cancel")
class C21CancelIsAlwaysInTime(Threads):
    class _Handle(TimerHandle):
        def cancel(self) -> bool:
            return super().cancel() or True

    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        timer = super().call_later(seconds, func, *args)
        return self._Handle(timer._heap, timer._entry)


class _Heap(TimerHeap):
    pass


class _OtherHeap(Threads):
    heap_class: type[TimerHeap] = _Heap

    def _make_timers(self) -> Any:
        self._timers = self.heap_class(self._lock, self.home_clock())
        return self._timers


@found_by("test_c21_thousands_that_are_cancelled")
class C21KeepsTheCancelled(_OtherHeap):
    class heap_class(_Heap):
        def _sweep(self) -> None:
            pass


@found_by("test_c21_thousands_that_are_cancelled")
class C21RefersToTheCancelled(_OtherHeap):
    class heap_class(_Heap):
        def take(self, entry: Any) -> Any:
            entry.append(entry[2])
            return super().take(entry)


@found_by("test_c21_stop_drops_what_is_pending")
class C21StopKeepsThem(_OtherHeap):
    class heap_class(_Heap):
        def take_all(self) -> Any:
            return []


@found_by("test_c21_deadlines_come_while_stop_drains")
class C21StopDropsThemAtOnce(Threads):
    """A callback that waits for a deadline then waits for ever, and ``stop`` with it."""

    @hookimpl
    def stop(self) -> None:
        if self._timers is not None and self.running and not self.in_callback():
            self._timers.take_all()
        super().stop()


@found_by("test_c21_stop_waits_for_the_function_that_runs")
class C21StopWaitsForNoFunction(Threads):
    def _hand_to_timers(self, drain: Any) -> None:
        if self._timers is not None:
            self._timers.retire()
        super()._hand_to_timers(drain)


@found_by("test_c21_in_the_order_of_their_times")
class C21ForgetsWhatIsSetBeforeStart(Threads):
    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        timer = super().call_later(seconds, func, *args)
        if not self.running:
            timer.cancel()
        return timer


@found_by("test_c21_in_the_order_of_their_times")
class C21CountsFromTheStart(Threads):
    """Counts the time of what is set before the start from the start."""

    @hookimpl
    def start(self) -> None:
        if self._timers is not None and not self.running:
            for entry in self._timers.items:
                entry[0] += 60
        super().start()


@found_by("test_c21_an_exception_is_logged")
class C21SaysNothing(Threads):
    """Swallows what they raise."""

    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        if not callable(func):
            return super().call_later(seconds, func, *args)

        def call() -> None:
            with contextlib.suppress(Exception):
                func(*args)

        return super().call_later(seconds, call)


@found_by("test_c21_what_ends_a_program")
class C21KeepsExitsForItself(Threads):
    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        if not callable(func):
            return super().call_later(seconds, func, *args)

        def call() -> None:
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                func(*args)

        return super().call_later(seconds, call)


@found_by("test_c21_what_is_no_time_or_no_function")
class C21TakesAnyTime(Threads):
    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        with contextlib.suppress(TypeError):
            seconds = max(0, seconds)
        return super().call_later(seconds, func, *args)


@found_by("test_c21_what_is_no_time_or_no_function")
class C21TakesAnyFunction(Threads):
    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        return super().call_later(seconds, lambda: func(*args))


@found_by("test_c21_a_time_that_never_comes")
class C21TakesNoLongTime(Threads):
    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        if type(seconds) in (int, float) and seconds > threading.TIMEOUT_MAX:
            raise OverflowError("timeout value is too large")
        return super().call_later(seconds, func, *args)


@found_by("test_c21_no_context_of_another_request")
class C21KeepsContexts(Threads):
    """Calls them in the context of whoever has set them, unlike callbacks."""

    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        if not callable(func):
            return super().call_later(seconds, func, *args)
        return super().call_later(seconds, contextvars.copy_context().run, func, *args)


@found_by("test_c21_thousands_that_are_cancelled")
class C21WaitsForItsTurn(SequentialGeventHandler):
    """Cannot be called in the hub."""

    def call_later(self, seconds: float, func: Any, *args: Any) -> Any:
        timer = super().call_later(seconds, func, *args)
        self.event_object().wait(0.001)
        return timer


@found_by("test_c21_a_forked_child_has_none")
class C21ChildHasTheParents(Threads):
    def after_fork_in_child(self) -> None:
        parents = self._timers
        super().after_fork_in_child()
        if parents is not None:
            self._make_timers().items.extend(parents.items)
