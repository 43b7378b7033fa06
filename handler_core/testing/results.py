"""C10 to C16: results, and waiting for them."""

from __future__ import annotations

import functools
import resource
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from handler_core import Handler, HandlerTimeoutError
from handler_core.testing.suite import LIMIT, LONG, Suite, calling

__all__ = ["ResultTests"]

# Seconds that are no whole number of milliseconds. Only the quickest of them shows a lack.
_FRACTIONS = (0.0019,) * 10


def _entries(error: BaseException) -> int:
    return len(traceback.extract_tb(error.__traceback__))


class ResultTests(Suite):
    """C10 to C16 of the contract."""

    def got(self, result: Any) -> Any:
        """Return what a result brings to one who waits for it."""
        return self.woken(lambda timeout: result.get(timeout=timeout))

    def run_in(self, where: str, handler: Handler, func: Callable[[], object]) -> Callable[[], Any]:
        """Run ``func`` in a task or in an OS thread; return what waits for its end."""
        if where == "a task":
            task = handler.spawn(func)
            return lambda: self.ended(task)
        thread = self.os_thread(func)
        return lambda: thread.result(handler)

    def in_time(self, most: float, attempts: Sequence[Callable[[], float]]) -> None:
        """Have each attempt tell how late it was: in one round, none by more than ``most``.

        A busy machine gets as many rounds as there is time for.
        """
        given_up = time.monotonic() + LIMIT
        while (late := max(attempt() for attempt in attempts)) > most:
            assert time.monotonic() < given_up, f"late in each round, by {late:.3f} seconds"

    # C10: states.

    def test_c10_states(self, idle: Handler) -> None:
        """Pending, value, exception."""
        result = idle.async_result()
        assert not result.ready()
        assert not result.successful()
        assert result.value is None
        assert result.exception is None
        result.set("value")
        assert result.ready()
        assert result.successful()
        assert result.value == "value"
        assert result.exception is None
        assert result.get() == result.get_nowait() == "value"
        failed = idle.callback_object()
        error = ValueError("as planned")
        failed.set_exception(error)
        assert failed.ready()
        assert not failed.successful()
        assert failed.value is None
        assert failed.exception is error
        with pytest.raises(ValueError, match="as planned") as caught:
            failed.get()
        assert caught.value is error

    def test_c10_none_is_a_value(self, idle: Handler) -> None:
        """``set()`` sets None, which is an outcome."""
        result = idle.async_result()
        result.set()
        assert result.successful()
        assert result.get() is None

    def test_c10_anything_is_a_value(self, idle: Handler) -> None:
        """Also what is false, and an exception that is not ``set_exception``'s."""
        values: list[Any] = [0, "", False, [], ValueError("as planned")]
        for value in values:
            result = idle.async_result()
            result.set(value)
            assert result.successful()
            assert result.exception is None
            assert result.value is value
            assert result.get() is value

    def test_c10_a_later_set_replaces_the_outcome(self, idle: Handler) -> None:
        """In any order of values and exceptions."""
        result = idle.async_result()
        result.set(1)
        result.set(2)
        assert result.get() == 2
        for error in (ValueError("as planned"), SystemExit("as planned")):
            result.set_exception(error)
            assert not result.successful()
            assert result.value is None
            assert result.exception is error
            with pytest.raises(type(error), match="as planned"):
                result.get()
        result.set(3)
        assert result.exception is None
        assert result.get() == 3

    # C11: timeouts.

    def test_c11_get_times_out(self, handler: Handler) -> None:
        """Not early, with the handler's exception, which is a ``TimeoutError`` too."""
        result = handler.async_result()
        for timeout in (-1, 0, 0.05, *_FRACTIONS):
            begun = time.monotonic()
            with pytest.raises(handler.timeout_exception) as caught:
                result.get(timeout=timeout)
            assert time.monotonic() - begun >= timeout, "get timed out early"
            assert isinstance(caught.value, TimeoutError)
            assert isinstance(caught.value, HandlerTimeoutError)
        result.set(1)
        assert result.get(timeout=0) == 1

    def test_c11_wait_times_out(self, handler: Handler) -> None:
        """Not early; it returns whether there is an outcome."""
        result = handler.async_result()
        for timeout in (-1, 0, 0.05, *_FRACTIONS):
            begun = time.monotonic()
            assert result.wait(timeout) is False
            assert time.monotonic() - begun >= timeout, "wait timed out early"
        result.set(1)
        assert result.wait() is True
        assert result.wait(0) is True

    @pytest.mark.parametrize("where", ["a task", "an OS thread"])
    @pytest.mark.parametrize("waits", ["get", "wait"])
    def test_c11_a_timeout_is_neither_early_nor_late(
        self, handler: Handler, waits: str, where: str
    ) -> None:
        """At most 50 milliseconds on an idle machine, and even a busy one has an idle moment."""
        result = handler.async_result()

        def wait(timeout: float) -> None:
            if waits == "wait":
                assert result.wait(timeout) is False
            else:
                with pytest.raises(handler.timeout_exception):
                    result.get(timeout=timeout)

        def late(timeout: float) -> float:
            measured: list[float] = []

            def measure() -> None:
                begun = time.monotonic()
                wait(timeout)
                measured.append(time.monotonic() - begun - timeout)

            self.run_in(where, handler, measure)()
            assert measured, "it did not time out"
            assert measured[0] >= 0, "it timed out early"
            return measured[0]

        timeouts = (0.01, 0.01, 0.01, 0.01, 0.15)
        self.in_time(0.05, [functools.partial(late, timeout) for timeout in timeouts])

    def test_c11_a_timeout_is_of_one_wait(self, handler: Handler) -> None:
        """Who else waits for the result, and for less long, ends no other's wait."""
        result = handler.async_result()
        task = handler.spawn(result.wait, 0.02)
        begun = time.monotonic()
        assert result.wait(0.1) is False
        assert time.monotonic() - begun >= 0.1, "wait timed out with another one"
        self.ended(task)

    def test_c11_without_blocking(self, handler: Handler) -> None:
        """``get(block=False)`` and ``get_nowait`` time out at once."""
        result = handler.async_result()
        for get in (functools.partial(result.get, block=False), result.get_nowait):
            with pytest.raises(handler.timeout_exception) as caught:
                get()
            assert isinstance(caught.value, TimeoutError)
            assert isinstance(caught.value, HandlerTimeoutError)

    def test_c11_the_timeout_exception_is_no_os_error(self, idle: Handler) -> None:
        """A client raises it itself, beside handlers of broken connections."""
        assert issubclass(idle.timeout_exception, HandlerTimeoutError)
        assert not issubclass(idle.timeout_exception, OSError)
        assert str(idle.timeout_exception("message")) == "message"

    def test_c11_a_wait_that_timed_out_leaves_the_result_usable(self, handler: Handler) -> None:
        """A later wait is woken as ever."""
        result = handler.async_result()
        assert not result.wait(0.001)
        handler.spawn(result.set, 1)
        assert self.got(result) == 1

    # C12: from any thread.

    @pytest.mark.parametrize("failing", [False, True], ids=["set", "set_exception"])
    def test_c12_an_os_thread_sets_what_a_task_waits_for(
        self, handler: Handler, failing: bool
    ) -> None:
        """The waiter wakes by the set, not by its timeout."""
        for _ in range(20):
            result = handler.async_result()
            waiting = handler.event_object()

            def set_it(result: Any = result, waiting: Any = waiting) -> None:
                while not waiting.is_set():
                    time.sleep(0)
                if failing:
                    result.set_exception(ValueError("as planned"))
                else:
                    result.set(1)

            thread = self.os_thread(set_it)
            waiting.set()
            assert self.woken(result.wait)
            thread.result(handler)
            assert result.successful() is not failing

    def test_c12_a_task_sets_what_an_os_thread_waits_for(self, handler: Handler) -> None:
        """A plain thread that knows nothing of the model may wait."""
        for _ in range(20):
            result = handler.async_result()
            thread = self.os_thread(self.got, result)
            handler.sleep_func(0)
            result.set("value")
            assert thread.result(handler) == "value"

    @pytest.mark.parametrize("waits", ["a task", "an OS thread"])
    @pytest.mark.parametrize("sets", ["a task", "an OS thread"])
    def test_c12_who_waits_is_woken_at_once(self, handler: Handler, sets: str, waits: str) -> None:
        """It does not look now and then whether there is something."""

        def delay(failing: bool) -> float:
            result = handler.async_result()
            times: list[float] = []

            def wait() -> None:
                self.woken(result.wait)
                times.append(time.monotonic())

            def set_it() -> None:
                times.append(time.monotonic())
                if failing:
                    result.set_exception(ValueError("as planned"))
                else:
                    result.set(1)

            waiter = self.run_in(waits, handler, wait)
            handler.sleep_func(0.01)  # let it park
            self.run_in(sets, handler, set_it)()
            waiter()
            assert len(times) == 2, "what waited was not woken"
            return times[1] - times[0]

        attempts = [functools.partial(delay, failing) for failing in (False, True)]
        self.in_time(0.1, attempts * 2)

    @pytest.mark.parametrize("what", ["callbacks", "links"])
    def test_c12_an_idle_worker_is_woken_at_once(self, handler: Handler, what: str) -> None:
        """Neither of the two looks now and then whether there is something to run."""

        def delay() -> float:
            ran = handler.event_object()
            times: list[float] = []

            def run(*_: Any) -> None:
                times.append(time.monotonic())
                ran.set()

            result = handler.async_result()
            result.link(run)
            handler.sleep_func(0.01)  # let the worker wait
            begun = time.monotonic()
            if what == "links":
                result.set()
            else:
                self.dispatch(handler, run)
            self.happens(ran)
            return times[0] - begun

        self.in_time(0.1, [delay] * 4)

    def test_c12_an_os_thread_times_out(self, handler: Handler) -> None:
        """With the same exception."""
        result = handler.async_result()

        def wait() -> bool:
            try:
                result.get(timeout=0.01)
            except handler.timeout_exception:
                return True
            return False

        assert self.os_thread(wait).result(handler)
        assert self.os_thread(lambda: result.wait(0.01)).result(handler) is False

    def test_c12_links_from_an_os_thread(self, handler: Handler) -> None:
        """Link, unlink, and a set that has links called, all from plain threads."""
        ran: list[str] = []
        done = handler.event_object()
        result = handler.async_result()

        def unwanted(_: Any) -> None:
            ran.append("unwanted")

        def link() -> None:
            result.link(unwanted)
            result.link(calling(ran.append, "linked"))
            result.unlink(unwanted)
            result.link(calling(done.set))

        self.os_thread(link).result(handler)
        self.os_thread(lambda: result.set(1)).result(handler)
        self.happens(done)
        assert ran == ["linked"]

    def test_c12_a_task_that_fails_once_it_is_woken_hinders_no_other(
        self, handler: Handler, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever way threads have of waking tasks, it is there for the next one."""
        monkeypatch.setattr(threading, "excepthook", lambda args: None)
        for _ in range(3):
            first, second = handler.async_result(), handler.async_result()

            def fail(result: Any = first) -> None:
                result.get()
                raise ValueError("as planned")

            task = handler.spawn(fail)
            handler.sleep_func(0.01)
            self.os_thread(first.set, 1).result(handler)
            self.ended(task)
            thread = self.os_thread(self.set_later, second, 2)
            assert self.woken(second.wait)
            thread.result(handler)
        capfd.readouterr()  # what the library has to say of the exceptions

    def set_later(self, result: Any, value: Any) -> None:
        """In a thread of the operating system: let the waiter park, and set the result."""
        time.sleep(0.01)
        result.set(value)

    @pytest.mark.parametrize("timeout", [None, LONG], ids=["for ever", "with a timeout"])
    def test_c12_who_waits_does_not_poll(self, handler: Handler, timeout: float | None) -> None:
        """Neither a task nor a plain thread, nor an idle worker: the process stands still."""
        result = handler.async_result()
        self.drained(handler)
        task = handler.spawn(result.wait, timeout)
        thread = self.os_thread(result.wait, timeout)

        def switches() -> int:
            return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw

        def stands_still() -> bool:
            before = switches()
            handler.sleep_func(0.5)
            return switches() - before < 5

        # Whatever else there is in this process may have something to do, but not for ever.
        still = any(stands_still() for _ in range(10))
        result.set()
        self.ended(task)
        thread.result(handler)
        assert still, "the process wakes up again and again while nothing happens"

    def test_c12_set_races_with_wait_and_link(self, handler: Handler) -> None:
        """Whoever comes first, each wait ends and each link is called once."""
        rounds = 300
        results = [handler.async_result() for _ in range(rounds)]
        called: list[int] = []

        def set_all() -> None:
            for result in results:
                result.set(1)

        def link_all() -> None:
            for number, result in enumerate(results):
                result.link(calling(called.append, number))

        def wait_all() -> int:
            return sum(self.got(result) for result in results)

        waiter = handler.spawn(wait_all)
        threads = [self.os_thread(work) for work in (wait_all, link_all, set_all, link_all)]
        assert threads[0].result(handler) == rounds
        for thread in threads[1:]:
            thread.result(handler)
        self.ended(waiter)
        handler.stop()
        assert sorted(called) == sorted([*range(rounds), *range(rounds)])

    # C13: links.

    @pytest.mark.parametrize("link", ["link", "rawlink"])
    def test_c13_a_link_before_the_outcome(self, handler: Handler, link: str) -> None:
        """Called once, with the result as its only argument."""
        calls: list[tuple[Any, ...]] = []
        result = handler.async_result()
        getattr(result, link)(lambda *args: calls.append(args))
        result.set(1)
        result.set(2)
        handler.stop()
        assert calls == [(result,)]

    @pytest.mark.parametrize("link", ["link", "rawlink"])
    def test_c13_a_link_after_the_outcome(self, handler: Handler, link: str) -> None:
        """Called once, in the same way, and earlier links are not called again."""
        calls: list[tuple[Any, ...]] = []
        result = handler.async_result()
        getattr(result, link)(lambda *args: calls.append(("before", *args)))
        result.set_exception(ValueError("as planned"))
        getattr(result, link)(lambda *args: calls.append(("after", *args)))
        handler.stop()
        assert calls == [("before", result), ("after", result)]

    @pytest.mark.parametrize("first", ["link", "rawlink"])
    @pytest.mark.parametrize("second", ["link", "rawlink"])
    def test_c13_linked_twice_while_pending(
        self, handler: Handler, first: str, second: str
    ) -> None:
        """Counts once."""
        calls: list[Any] = []
        result = handler.async_result()
        getattr(result, first)(calls.append)
        getattr(result, second)(calls.append)
        result.set()
        handler.stop()
        assert calls == [result]

    def test_c13_unlink(self, handler: Handler) -> None:
        """Before the outcome it removes the link; an unknown one is ignored."""
        calls: list[Any] = []
        result = handler.async_result()
        result.unlink(print)
        result.link(calls.append)
        result.link(calls.extend)
        result.unlink(print)
        result.unlink(calls.append)
        result.unlink(calls.extend)
        result.set()
        result.unlink(calls.append)
        handler.stop()
        assert calls == []

    # C14: waiters.

    @pytest.mark.parametrize("failing", [False, True], ids=["set", "set_exception"])
    def test_c14_all_waiters_wake(self, handler: Handler, failing: bool) -> None:
        """Tasks and plain threads, however many they are."""
        result = handler.async_result()
        outcomes: list[str] = []
        waiting: list[int] = []

        def wait() -> Any:
            waiting.append(1)
            try:
                return self.got(result)
            except ValueError as error:
                return str(error)

        tasks = [handler.spawn(lambda: outcomes.append(wait())) for _ in range(100)]
        threads = [self.os_thread(wait) for _ in range(5)]
        self.until(handler, lambda: len(waiting) == 105)
        handler.sleep_func(0.01)
        if failing:
            result.set_exception(ValueError("as planned"))
        else:
            result.set("as planned")
        self.ended(*tasks)
        assert outcomes == ["as planned"] * 100
        assert [thread.result(handler) for thread in threads] == ["as planned"] * 5

    # C15: tracebacks.

    @pytest.mark.parametrize("get", ["get", "get_nowait"])
    def test_c15_getting_an_exception_often_keeps_its_traceback_short(
        self, idle: Handler, get: str
    ) -> None:
        """Each get shows the same frames."""
        result = idle.async_result()
        try:
            raise ValueError("as planned")
        except ValueError as error:
            result.set_exception(error)
        lengths = set()
        for _ in range(10):
            with pytest.raises(ValueError, match="as planned") as caught:
                getattr(result, get)()
            lengths.add(_entries(caught.value))
        assert len(lengths) == 1, f"the traceback grows: {sorted(lengths)}"

    def test_c15_one_exception_in_many_results_keeps_its_traceback_short(
        self, idle: Handler
    ) -> None:
        """Also where it is set again after it was raised."""
        error = ValueError("as planned")
        lengths = set()
        for _ in range(10):
            results = [idle.async_result() for _ in range(3)]
            for result in results:
                result.set_exception(error)
            for result in results:
                with pytest.raises(ValueError, match="as planned"):
                    result.get()
                lengths.add(_entries(error))
        assert len(lengths) == 1, f"the traceback grows: {sorted(lengths)}"

    def test_c15_many_waiters_keep_the_traceback_short(self, handler: Handler) -> None:
        """All raise the one exception, and what is left is no longer than one of them left it."""
        result = handler.async_result()
        caught: list[BaseException] = []

        def wait() -> None:
            try:
                self.got(result)
            except ValueError as error:
                caught.append(error)

        tasks = [handler.spawn(wait) for _ in range(10)]
        error = ValueError("as planned")
        result.set_exception(error)
        self.ended(*tasks)
        assert [one is error for one in caught] == [True] * 10
        with pytest.raises(ValueError, match="as planned"):
            result.get()
        alone = handler.async_result()
        alone.set_exception(ValueError("as planned"))
        with pytest.raises(ValueError, match="as planned") as got_once:
            alone.get()
        assert _entries(error) == _entries(got_once.value)

    # C16: where nobody may block.

    def test_c16_a_wait_that_is_over_does_not_block(self, handler: Handler) -> None:
        """It returns, wherever it is called."""
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

    @pytest.fixture
    def looping(self, handler: Handler) -> Handler:
        """Return the handler, if its model has an event loop."""
        if not self.in_loop(handler, lambda: None):
            pytest.skip("this model has no event loop; if it has one, override in_loop()")
        return handler

    @pytest.mark.parametrize(
        "name",
        [
            *("get", "timed get", "wait", "timed wait", "event", "timed event", "stop"),
            *("lock", "timed lock", "rlock", "timed rlock", "join", "timed join"),
        ],
    )
    def test_c16_a_wait_in_the_loop_is_refused(self, looping: Handler, name: str) -> None:
        """It would never end, and so it does not begin; the handler goes on."""
        handler = looping
        result, event, lock = handler.async_result(), handler.event_object(), handler.lock_object()
        lock.acquire()
        rlock = handler.rlock_object()
        self.ended(handler.spawn(rlock.acquire))
        task = handler.spawn(result.wait)
        self.drained(handler)
        self.dispatch(handler, result.wait)  # so that there is something to wait for in stop, too
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
        """As everything does that does not wait."""
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
            # It is over because it may not last at all.
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
