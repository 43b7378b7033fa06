"""C16: no blocking of the event loop."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite
from handler_core.testing._time_limits import LONG

__all__ = ["BlockingTheLoopTests"]


class BlockingTheLoopTests(Suite):
    """C16: no wait blocks the event loop."""

    @pytest.fixture
    def looping(self, handler: Handler) -> Handler:
        """Return the handler if its model has an event loop, or else skip the test."""
        if not self.in_loop(handler, lambda: None):
            pytest.skip("this model has no event loop; if it has one, override in_loop()")
        return handler

    def test_c16_a_wait_that_is_over_does_not_block(self, handler: Handler) -> None:
        """It returns wherever it is called."""
        result = handler.async_result()
        result.set(1)
        assert result.get() == 1
        assert result.get(timeout=0) == 1
        assert result.wait()
        event = handler.event_object()
        event.set()
        assert event.wait()
        task = handler.spawn(int)
        self.ended(task)
        task.join()
        handler.stop()
        handler.stop()

    @pytest.mark.parametrize(
        "name",
        [
            *("get", "timed get", "wait", "timed wait", "event", "timed event", "stop"),
            *("lock", "timed lock", "rlock", "timed rlock", "join", "timed join"),
        ],
    )
    def test_c16_a_wait_in_the_loop_is_refused(self, looping: Handler, name: str) -> None:
        """The wait would never end, so it raises an error. The handler goes on."""
        handler = looping
        result, event, lock = handler.async_result(), handler.event_object(), handler.lock_object()
        lock.acquire()
        rlock = handler.rlock_object()
        self.ended(handler.spawn(rlock.acquire))
        task = handler.spawn(result.wait)
        self.drained(handler)
        self.dispatch(handler, result.wait)  # this callback keeps stop waiting
        waits: dict[str, Callable[[], object]] = {
            "get": result.get,
            "timed get": lambda: result.get(timeout=LONG),
            "wait": result.wait,
            "timed wait": lambda: result.wait(LONG),
            "event": event.wait,
            "timed event": lambda: event.wait(LONG),
            "lock": lock.acquire,
            "timed lock": lambda: lock.acquire(timeout=LONG),
            "rlock": rlock.acquire,
            "timed rlock": lambda: rlock.acquire(timeout=LONG),
            "stop": handler.stop,
            "join": task.join,
            "timed join": lambda: task.join(LONG),
        }
        refused: list[str] = []
        called = handler.event_object()

        def wait() -> None:
            try:
                waits[name]()
            except RuntimeError as error:
                refused.append(str(error))
            finally:
                called.set()

        self.in_loop(handler, wait)
        self.happens(called)
        assert len(refused) == 1, "it was not refused"
        assert len(refused[0].split()) > 3, "the refusal does not say what to do instead"
        assert handler.running
        result.set()
        self.ended(task)
        self.drained(handler)

    def test_c16_a_wait_that_is_over_returns_in_the_loop_too(self, looping: Handler) -> None:
        """Every call that does not wait returns there."""
        handler = looping
        result, event, lock = handler.async_result(), handler.event_object(), handler.lock_object()
        pending, unset, rlock = (
            handler.async_result(),
            handler.event_object(),
            handler.rlock_object(),
        )
        result.set(1)
        event.set()
        self.ended(handler.spawn(rlock.acquire))
        ended, waiting = handler.spawn(int), handler.spawn(self.got, pending)
        self.ended(ended)
        stopped = self.make_handler()
        stopped.start()
        stopped.stop()

        def times_out(get: Callable[[], object]) -> bool:
            try:
                get()
            except handler.timeout_exception:
                return True
            return False

        over: list[tuple[Callable[[], object], object]] = [
            (result.get, 1),
            (lambda: result.get(timeout=LONG), 1),
            (result.wait, True),
            (event.wait, True),
            (lock.acquire, True),
            (ended.join, None),
            (stopped.stop, None),
            (self.make_handler().stop, None),
            # These are over because their timeout is zero.
            (lambda: times_out(pending.get_nowait), True),
            (lambda: times_out(lambda: pending.get(block=False)), True),
            (lambda: times_out(lambda: pending.get(timeout=0)), True),
            (lambda: pending.wait(0), False),
            (lambda: unset.wait(0), False),
            (lambda: lock.acquire(blocking=False), False),
            (lambda: lock.acquire(timeout=0), False),
            (lambda: rlock.acquire(blocking=False), False),
            (lambda: waiting.join(0), None),
        ]
        returned: list[object] = []
        called = handler.event_object()

        def wait() -> None:
            try:
                returned.extend(call() for call, _ in over)
            finally:
                called.set()

        self.in_loop(handler, wait)
        self.happens(called)
        assert returned == [value for _, value in over]
        pending.set()
        self.ended(waiting)
