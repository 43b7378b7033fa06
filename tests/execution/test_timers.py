"""Timers of threads: their worker, and what comes in the midst of a call."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
import os
import random
import signal
import threading
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from handler_core_threading import SequentialThreadingHandler
from interrupting import at_each_instruction

import handler_core.execution._timer_heap as timer_heap
from execution.tasks import LIMIT, dispatch, ended, in_threads, start_threads
from handler_core import Handler, ThreadWaiter, TimerHandle, get_handler
from handler_core.execution._timer_heap import TimerHeap
from handler_core.execution._timing import Timing

HOUR = 3600.0


@pytest.fixture
def handler() -> Any:
    with get_handler("threading") as handler:
        yield handler


def called(handler: Handler, seconds: float = 0) -> None:
    """Wait until a timer that is set now has called its function."""
    done = threading.Event()
    handler.call_later(seconds, done.set)
    assert done.wait(LIMIT)


def test_no_thread_before_there_is_a_timer(handler: Handler) -> None:
    before = threading.active_count()
    dispatch(handler, int)
    assert threading.active_count() == before + 1
    handler.call_later(HOUR, int)
    assert threading.active_count() == before + 2
    handler.stop()
    handler.call_later(HOUR, int)
    assert threading.active_count() == before


class _Counting(SequentialThreadingHandler):
    """Counts the waits of its timers' worker."""

    parks = 0

    def new_waiter(self) -> Any:
        if self._timers is not None and self._timers.worker is not None:
            self.parks += self._timers.worker.identity == threading.get_ident()
        return super().new_waiter()


def test_a_later_timer_wakes_nobody() -> None:
    with _Counting() as handler:
        first = handler.call_later(HOUR, int)
        called(handler)
        before = handler.parks
        for _ in range(1000):
            handler.call_later(HOUR, int).cancel()
        called(handler)
        assert handler.parks - before <= 3
        assert first.cancel()


def test_a_request_and_its_deadline_again_and_again(handler: Handler) -> None:
    for _ in range(100):
        deadlines = [handler.call_later(HOUR, int) for _ in range(10)]
        random.shuffle(deadlines)
        assert all(deadline.cancel() for deadline in deadlines)
    assert handler._timers is not None
    assert len(handler._timers.items) <= timer_heap._FEW + 1


def test_the_repr_of_a_handle() -> None:
    handler = get_handler("threading")
    timer = handler.call_later(1, threading.Event().set)
    assert repr(timer) == "<TimerHandle Event.set>"
    timer.cancel()
    assert repr(timer) == "<TimerHandle over>"
    partial = handler.call_later(1, functools.partial(int, 1))
    assert repr(partial) == "<TimerHandle functools.partial(<class 'int'>, 1)>"


@pytest.mark.parametrize("seconds", [True, 0, 0.0, Fraction(1, 1000), Decimal("0.001")])
def test_what_is_a_number(handler: Handler, seconds: Any) -> None:
    done = threading.Event()
    handler.call_later(seconds, done.set)
    assert done.wait(LIMIT)


def test_another_clock_from_now_on() -> None:
    heap = TimerHeap(threading.RLock(), lambda: 100.0)
    late, _ = heap.push(60, ("late",))
    heap.push(math.inf, ("never",))
    heap.push(50, ("soon",))
    now = 7.0
    heap.count_by(lambda: now)
    assert heap.next_due() is None
    assert heap.until == 57
    now = 60.0
    assert heap.next_due() == ("soon",)
    assert heap.next_due() is None
    assert heap.until == 67
    assert late.cancel()
    assert heap.next_due() is None
    assert heap.until == math.inf


# A worker that is killed, or that cannot start.


class _Killed(BaseException):
    """What a model's own kill looks like."""


class _Killable(SequentialThreadingHandler):
    """Kills its timers' worker when that next wakes."""

    kills = 0

    def new_waiter(self) -> Any:
        handler = self

        class Waiter(ThreadWaiter):
            __slots__ = ()

            def park(self, timeout: float | None = None) -> bool:
                woken = super().park(timeout)
                if handler.kills and threading.current_thread().name == "worker":
                    handler.kills -= 1
                    raise _Killed
                return woken

        return Waiter()

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> Any:
        def run() -> None:
            with contextlib.suppress(_Killed):
                func(*args, **kwargs)

        thread = threading.Thread(target=run, name="worker", daemon=True)
        thread.start()
        return thread


def test_a_killed_worker_is_replaced() -> None:
    handler = _Killable()
    ran: list[int] = []
    with handler:
        for kills in (1, 3):
            handler.call_later(0.01, ran.append, kills)
            handler.kills = kills
            called(handler, 0.01)
            handler.kills = 0
        timer = handler.call_later(HOUR, int)
        called(handler)
        handler.kills = 1
        handler.stop()
        assert ran == [1, 3]
        assert not timer.cancel()


class _Unable(SequentialThreadingHandler):
    able = False

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> Any:
        if not self.able:
            raise RuntimeError("can't start new thread")
        return super().spawn(func, *args, **kwargs)


def test_where_no_worker_can_start() -> None:
    handler = _Unable()
    handler.start()
    done = threading.Event()
    handler.call_later(0, done.set)
    assert not done.is_set()
    handler.able = True
    handler.call_later(0, int)
    assert done.wait(LIMIT)
    handler.able = False
    handler.stop()
    handler.start()
    timer = handler.call_later(0, int)
    dispatch(handler, int)
    handler.stop()
    assert not timer.cancel()
    assert not handler.running


# Many threads.


def test_each_is_called_or_cancelled_or_dropped() -> None:
    handler = get_handler("threading")
    handler.start()
    ran: list[int] = []
    cancelled: list[int] = []
    numbers = itertools.count()
    kept: list[TimerHandle] = []
    over = threading.Event()

    def set_and_cancel() -> None:
        chance = random.Random(threading.get_ident())
        for _ in range(3000):
            number = next(numbers)
            timer = handler.call_later(chance.choice((0, 0.001, 0.01, HOUR)), ran.append, number)
            if chance.random() < 0.8:
                if timer.cancel():
                    cancelled.append(number)
            else:
                kept.append(timer)

    def restart() -> None:
        while not over.is_set():
            handler.stop()
            handler.start()

    restarting = start_threads(restart, restart)
    in_threads(*[set_and_cancel] * 3)
    over.set()
    ended(*restarting)
    called(handler, 0.02)
    handler.stop()
    assert len(set(ran)) == len(ran)
    assert not set(ran) & set(cancelled)
    assert not any(timer.cancel() for timer in kept)
    assert handler._timers is not None
    assert not handler._timers.items


def test_stops_and_starts_while_a_function_runs() -> None:
    handler = get_handler("threading")
    for _ in range(100):
        handler.start()
        begun, gate = threading.Event(), threading.Event()
        handler.call_later(0, lambda begun=begun, gate=gate: (begun.set(), gate.wait(LIMIT)))
        assert begun.wait(LIMIT)
        first = start_threads(handler.stop, handler.stop)
        starts = start_threads(handler.start)
        second = start_threads(handler.stop)
        gate.set()
        ended(*first, *starts, *second)
        handler.stop()
        assert not handler.running


# What a signal handler or a finalizer does in the midst of a call.

STEPS = [
    TimerHeap.push,
    TimerHeap.take,
    TimerHeap.next_due,
    TimerHeap._sweep,
    TimerHandle.cancel,
    Timing.call_later,
]


@pytest.mark.parametrize("function", STEPS, ids=lambda function: function.__qualname__)
def test_one_is_set_and_others_are_cancelled_in_the_midst(
    function: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timer_heap, "_FEW", 0)
    ran: list[str] = []
    expected: list[str] = []
    handler: Any = None

    def setup() -> tuple[Callable[[], Any], Callable[[], Any]]:
        nonlocal handler
        handler = get_handler("threading")
        ran.clear()
        expected[:] = ["first", "second", "interrupting"]
        victims = [handler.call_later(0, ran.append, "cancelled") for _ in range(5)]

        def body() -> None:
            handler.call_later(0, ran.append, "first")
            for victim in victims[:4]:
                assert victim.cancel()
            handler.call_later(0, ran.append, "second")
            handler.call_later(HOUR, ran.append, "late")
            timers = handler._timers
            while (item := timers.next_due()) is not None:
                item.func(*item.args)

        def interruption() -> None:
            victims[4].cancel()
            handler.call_later(0, ran.append, "interrupting")
            for _ in range(3):
                handler.call_later(HOUR, int).cancel()

        return body, interruption

    for number in at_each_instruction(function, setup):
        timers = handler._timers
        while (item := timers.next_due()) is not None:
            item.func(*item.args)
        wanted = [name for name in ran if name != "cancelled"]
        assert sorted(wanted) == sorted(expected), number
        assert ran.count("cancelled") <= 1  # it was due before the interruption
        assert [entry[2].args for entry in timers.items if entry[2]] == [("late",)], number


@pytest.mark.parametrize("function", [Timing._await_due, TimerHeap.next_due])
def test_the_worker_hears_of_one_that_is_set_in_its_midst(function: Any) -> None:
    handler: Any = None
    found: list[Any] = []

    def setup() -> tuple[Callable[[], Any], Callable[[], Any]]:
        nonlocal handler
        handler = get_handler("threading")
        found.clear()
        handler.call_later(HOUR, int)
        timers = handler._timers
        timers.worker = object()

        def body() -> None:
            # Without an interruption, another thread ends the wait.
            other = threading.Timer(0.05, handler.call_later, (0, print, "other"))
            other.start()
            found.append(handler._await_due(timers))
            other.cancel()
            other.join()

        return body, lambda: handler.call_later(0, print, "interrupting")

    for number in at_each_instruction(function, setup):
        texts = [found[0].args[0]]
        while (item := handler._timers.next_due()) is not None:
            texts.append(item.args[0])
        assert "interrupting" in texts, number


def test_a_signal_handler_sets_some_anywhere(handler: Handler) -> None:
    arrived: list[int] = []
    ran: list[int] = []
    expected = 0

    def on_signal(*_: object) -> None:
        arrived.append(1)
        handler.call_later(0, int)
        for _ in range(70):
            handler.call_later(HOUR, int).cancel()
        if len(arrived) < 300:
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.1)
        else:
            signal.setitimer(signal.ITIMER_REAL, 0)

    before = signal.signal(signal.SIGALRM, on_signal)
    timer = signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.1)
    try:
        while len(arrived) < 300:
            timers = [handler.call_later(0, ran.append, 1) for _ in range(100)]
            expected += len(timers) - sum(timer.cancel() for timer in timers[::2])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)
    called(handler)
    assert len(ran) == expected


def test_what_a_cancelled_timer_refers_to_is_freed_without_the_lock(handler: Handler) -> None:
    """A finalizer may wait for another thread, which may need the handler meanwhile."""
    seen: list[bool] = []

    class Request:
        def __del__(self) -> None:
            (thread,) = start_threads(lambda: called(handler))
            thread.join(LIMIT)
            seen.append(thread.is_alive())

        def expire(self) -> None: ...

    handle = handler.call_later(HOUR, Request().expire)
    assert handle.cancel()
    assert seen == [False]


@pytest.mark.parametrize("handler_class", [SequentialThreadingHandler, _Unable])
def test_what_a_stop_drops_is_freed_without_the_lock(handler_class: type[Handler]) -> None:
    """As above. The worker of the timers drops it, or the caller of ``stop`` if there is none."""
    freed = threading.Event()
    seen: list[bool] = []

    class Request:
        def __del__(self) -> None:
            (thread,) = start_threads(lambda: handler.call_later(HOUR, int))
            thread.join(LIMIT / 3)
            seen.append(thread.is_alive())
            freed.set()

        def expire(self) -> None: ...

    handler = handler_class()
    timer = handler.call_later(HOUR, Request().expire)
    handler.start()
    handler.stop()
    assert freed.wait(LIMIT)
    assert seen == [False]
    assert not timer.cancel()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.parametrize(
    "queue",
    [
        lambda handler, func: handler.call_later(HOUR, func),
        lambda handler, func: dispatch(handler, func),
    ],
    ids=["call_later", "dispatch_callback"],
)
def test_what_a_forked_child_drops_is_freed_without_the_lock(
    queue: Callable[[Handler, Callable[[], object]], object],
) -> None:
    """As above. The locks of all handlers are held while the process forks."""
    parent = os.getpid()
    others = [get_handler("threading") for _ in range(3)]
    seen: list[bool] = []

    class Request:
        def __del__(self) -> None:
            if os.getpid() == parent:
                return
            threads = start_threads(*[lambda h=h: h.call_later(HOUR, int) for h in others])
            for thread in threads:
                thread.join(LIMIT / 3)
            seen.append(any(thread.is_alive() for thread in threads))

        def expire(self) -> None: ...

    handler = get_handler("threading")
    others.append(handler)
    queue(handler, Request().expire)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if seen == [False] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
