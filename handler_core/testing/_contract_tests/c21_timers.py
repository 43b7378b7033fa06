"""C21: what a timer calls, and when."""

from __future__ import annotations

import contextvars
import functools
import gc
import logging
import math
import tracemalloc
import weakref
from typing import Any

import pytest

from handler_core import Handler, TimerHandle
from handler_core.testing._suite import Suite
from handler_core.testing._time_limits import LONG

__all__ = ["TimerTests"]

# A time, in seconds, that does not come while a test runs, however busy the machine is.
_NEVER = 3600.0

_request: contextvars.ContextVar[str | None] = contextvars.ContextVar("_request", default=None)


class _Request:
    """What a deadline of a client refers to."""

    def expire(self) -> None:
        pass


class TimerTests(Suite):
    """C21: what a timer calls, and when."""

    def test_c21_in_the_order_of_their_times(self, idle: Handler) -> None:
        """Those of one time are called in the order in which they were set.

        All are set before the start, and the last one is due by then, so nothing else than their
        times can decide.
        """
        ran: list[str] = []
        done, due = idle.event_object(), idle.event_object()
        idle.call_later(0.03, ran.append, "later")
        for name in ("first", "second", "third"):
            idle.call_later(0, ran.append, name)
        idle.call_later(0.02, ran.append, "soon")
        idle.call_later(0.04, done.set)
        due.wait(0.05)
        idle.start()
        self.happens(done)
        assert ran == ["first", "second", "third", "soon", "later"]

    def test_c21_never_early(self, handler: Handler) -> None:
        """It is called when the seconds are over, by the handler's clock."""
        done = handler.event_object()

        def wait(seconds: float) -> None:
            handler.call_later(seconds, done.set)
            self.happens(done)

        self.not_early(wait)

    def test_c21_one_that_is_due_before_the_others(self, handler: Handler) -> None:
        """It does not wait for those that were set before."""
        soon, sooner = handler.event_object(), handler.event_object()
        late = [handler.call_later(seconds, soon.set) for seconds in (3 * LONG, 2 * LONG)]
        handler.call_later(0, sooner.set)
        self.happens(sooner)
        handler.call_later(0.01, soon.set)
        self.happens(soon)
        assert [timer.cancel() for timer in late] == [True, True]

    @pytest.mark.parametrize("where", ["a task", "an OS thread", "a callback", "a link", "a timer"])
    def test_c21_from_anywhere(self, handler: Handler, where: str) -> None:
        """Another thread wakes the task that waits for the first time."""
        for seconds in (0, 0.01):
            done = handler.event_object()
            set_timer = functools.partial(handler.call_later, seconds, done.set)
            if where == "a timer":
                handler.call_later(0, set_timer)
            elif where in ("a callback", "a link"):
                self.queue(handler, where == "a link", set_timer)
            else:
                self.run_in(where, handler, set_timer)()
            self.happens(done)

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c21_a_deadline_for_a_callback(self, handler: Handler, linked: bool) -> None:
        """A timer ends what a callback or link waits for: it does not wait for its turn there."""
        got: list[str] = []
        done = handler.event_object()

        def wait() -> None:
            result = handler.async_result()
            handler.call_later(0.01, result.set, "over")
            got.append(self.got(result))
            done.set()

        self.queue(handler, linked, wait)
        self.happens(done)
        assert got == ["over"]

    def test_c21_one_at_a_time(self, handler: Handler) -> None:
        """A function that blocks delays those after it. So it lets a task do its work."""
        ran: list[str] = []
        gate, begun, done = (handler.event_object() for _ in range(3))

        def block() -> None:
            begun.set()
            gate.wait(LONG)
            ran.append("first")

        handler.call_later(0, block)
        handler.call_later(0, ran.append, "second")
        handler.call_later(0, done.set)
        self.happens(begun)
        self.drained(handler)
        assert ran == []
        gate.set()
        self.happens(done)
        assert ran == ["first", "second"]

    def test_c21_one_that_sets_the_next_lets_others_run(self, handler: Handler) -> None:
        """Timers of 0 seconds without end keep no other task from running."""
        done = handler.event_object()

        def again() -> None:
            if not done.is_set():
                handler.call_later(0, again)

        again()
        self.ended(handler.spawn(handler.sleep_func, 0.01))
        done.set()

    def test_c21_cancel(self, idle: Handler) -> None:
        """It returns True if the function is not called for that reason, or else False.

        All is set before the start, so none is called before it is cancelled.
        """
        ran: list[str] = []
        done = idle.event_object()
        timer = idle.call_later(0.01, ran.append, "cancelled")
        assert isinstance(timer, TimerHandle)
        assert timer.cancel() is True
        assert timer.cancel() is False
        ended = idle.call_later(0.02, ran.append, "called")
        idle.call_later(0.02, done.set)
        idle.start()
        self.happens(done)
        assert ran == ["called"]
        assert ended.cancel() is False

    def test_c21_cancel_in_the_function_itself(self, handler: Handler) -> None:
        """It is too late then. Another one that is due may still be cancelled."""
        outcomes: list[bool] = []
        ran: list[str] = []
        timers: list[TimerHandle] = []
        done = handler.event_object()

        def cancel_all() -> None:
            outcomes.extend(timer.cancel() for timer in timers)

        def set_all() -> None:  # in a timer, so none of them is called meanwhile
            timers.append(handler.call_later(0, cancel_all))
            timers.append(handler.call_later(0, ran.append, "cancelled"))
            handler.call_later(0, done.set)

        handler.call_later(0, set_all)
        self.happens(done)
        assert outcomes == [False, True]
        assert ran == []

    def test_c21_either_called_or_cancelled(self, handler: Handler) -> None:
        """Whoever cancels one that is just due learns which of the two has happened."""
        ran: list[int] = []
        done = handler.event_object()
        timers = [handler.call_later(0.001, ran.append, number) for number in range(500)]
        handler.call_later(0.002, done.set)
        cancelled = self.os_thread(
            lambda: [number for number, timer in enumerate(timers) if timer.cancel()]
        ).result(handler)
        self.happens(done)
        assert sorted([*ran, *cancelled]) == list(range(500))

    @pytest.mark.parametrize("runs", [False, True], ids=["stopped", "running"])
    def test_c21_thousands_that_are_cancelled(self, idle: Handler, runs: bool) -> None:
        """A cancelled one refers to nothing, and memory goes down again."""
        if runs:
            idle.start()
        kept = idle.call_later(_NEVER, int)

        def set_and_cancel(count: int) -> list[weakref.ref[_Request]]:
            requests = [_Request() for _ in range(count)]
            timers = [idle.call_later(_NEVER, request.expire) for request in requests]
            assert all(timer.cancel() for timer in reversed(timers))
            for request in requests:
                idle.call_later(_NEVER, request.expire).cancel()
            return [weakref.ref(request) for request in requests]

        assert [ref() for ref in set_and_cancel(1000)] == [None] * 1000
        gc.collect()
        tracemalloc.start()
        try:
            set_and_cancel(10_000)
            gc.collect()
            left = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert left < 250_000, f"{left} bytes are left of cancelled timers"
        assert kept.cancel()

    def test_c21_an_exception_is_logged(
        self, handler: Handler, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The next one is called."""
        error = ValueError("as planned")
        done = handler.event_object()

        def fail() -> None:
            raise error

        with caplog.at_level(logging.ERROR, "handler_core"):
            handler.call_later(0, fail)
            handler.call_later(0, done.set)
            self.happens(done)
        records = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert [record.name for record in records] == ["handler_core"]
        info = records[0].exc_info
        assert info is not None
        assert info[1] is error

    @pytest.mark.parametrize("where", ["a task", "an OS thread"])
    def test_c21_no_context_of_another_request(self, handler: Handler, where: str) -> None:
        """It sees the variables of whoever has set it, or none."""
        seen: list[str | None] = []

        def serve(name: str, done: Any) -> None:
            _request.set(name)

            def call() -> None:
                seen.append(_request.get())
                done.set()

            handler.call_later(0, call)

        for name in ("first", "second"):
            done = handler.event_object()
            work = functools.partial(contextvars.Context().run, serve, name, done)
            self.run_in(where, handler, work)()
            self.happens(done)
        assert seen == (["first", "second"] if handler.keeps_context else [None, None])

    @pytest.mark.parametrize("seconds", [math.inf, 1e300, 10**400, 1e9], ids=str)
    def test_c21_a_time_that_never_comes(self, handler: Handler, seconds: float) -> None:
        """It stays until it is cancelled, and disturbs no other."""
        done = handler.event_object()
        timer = handler.call_later(seconds, done.set)
        handler.sleep_func(0.01)
        handler.call_later(0.01, done.set)
        self.happens(done)
        assert timer.cancel()

    @pytest.mark.parametrize(
        ("seconds", "func", "error"),
        [
            (-1, int, ValueError),
            (-1e-9, int, ValueError),
            (math.nan, int, ValueError),
            (-math.inf, int, ValueError),
            (None, int, TypeError),
            ("1", int, TypeError),
            (int, 1, TypeError),
            (1, None, TypeError),
            (1, "func", TypeError),
        ],
        ids=str,
    )
    def test_c21_what_is_no_time_or_no_function(
        self, idle: Handler, seconds: Any, func: Any, error: type[Exception]
    ) -> None:
        """It is refused at once, in words."""
        with pytest.raises(error, match="call_later"):
            idle.call_later(seconds, func)

    def test_c21_a_hub_or_loop_may_set_one(self, handler: Handler) -> None:
        """To set and to cancel never waits."""
        done = handler.event_object()

        def set_timer() -> None:
            handler.call_later(LONG, int).cancel()
            handler.call_later(0.01, done.set)

        if not self.in_loop(handler, set_timer):
            set_timer()
        self.happens(done)
