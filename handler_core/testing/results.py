"""C10 to C16: results, and waiting for them."""

from __future__ import annotations

import resource
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from handler_core import Handler, HandlerTimeoutError
from handler_core.testing.suite import LIMIT, LONG, Suite, calling

__all__ = ["ResultTests"]


def _entries(error: BaseException) -> int:
    return len(traceback.extract_tb(error.__traceback__))


class ResultTests(Suite):
    """C10 to C16 of the contract."""

    def got(self, result: Any) -> Any:
        """Return what a result brings to one who waits for it."""
        return self.woken(lambda timeout: result.get(timeout=timeout))

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

    def test_c10_a_later_set_replaces_the_outcome(self, idle: Handler) -> None:
        """In any order of values and exceptions."""
        result = idle.async_result()
        result.set(1)
        result.set(2)
        assert result.get() == 2
        result.set_exception(ValueError("as planned"))
        assert not result.successful()
        assert result.value is None
        result.set(3)
        assert result.exception is None
        assert result.get() == 3

    # C11: timeouts.

    def test_c11_get_times_out(self, handler: Handler) -> None:
        """Not early, with the handler's exception, which is a ``TimeoutError`` too."""
        result = handler.async_result()
        for timeout in (0, 0.001, 0.05):
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
        for timeout in (0, 0.001, 0.05):
            begun = time.monotonic()
            assert result.wait(timeout) is False
            assert time.monotonic() - begun >= timeout, "wait timed out early"
        result.set(1)
        assert result.wait() is True
        assert result.wait(0) is True

    @pytest.mark.parametrize("waits", ["get", "wait"])
    def test_c11_a_timeout_is_not_late(self, handler: Handler, waits: str) -> None:
        """At most 50 milliseconds on an idle machine, and even a busy one has an idle moment."""
        result = handler.async_result()
        late: list[float] = []

        def is_in_time() -> bool:
            begun = time.monotonic()
            if waits == "wait":
                result.wait(0.02)
            else:
                with pytest.raises(handler.timeout_exception):
                    result.get(timeout=0.02)
            late.append(time.monotonic() - begun - 0.02)
            return late[-1] <= 0.05

        given_up = time.monotonic() + LIMIT
        while not is_in_time():
            assert time.monotonic() < given_up, f"always late, by {min(late):.3f} seconds and more"

    def test_c11_without_blocking(self, handler: Handler) -> None:
        """``get(block=False)`` and ``get_nowait`` time out at once."""
        result = handler.async_result()
        with pytest.raises(handler.timeout_exception):
            result.get(block=False)
        with pytest.raises(handler.timeout_exception):
            result.get_nowait()

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

    def test_c13_a_link_before_the_outcome(self, handler: Handler) -> None:
        """Called once, with the result as its only argument."""
        calls: list[tuple[Any, ...]] = []
        result = handler.async_result()
        result.link(lambda *args: calls.append(args))
        result.set(1)
        result.set(2)
        handler.stop()
        assert calls == [(result,)]

    def test_c13_a_link_after_the_outcome(self, handler: Handler) -> None:
        """Called once, and earlier links are not called again."""
        calls: list[str] = []
        result = handler.async_result()
        result.rawlink(calling(calls.append, "before"))
        result.set_exception(ValueError("as planned"))
        result.rawlink(calling(calls.append, "after"))
        handler.stop()
        assert calls == ["before", "after"]

    def test_c13_linked_twice_while_pending(self, handler: Handler) -> None:
        """Counts once."""
        calls: list[Any] = []
        result = handler.async_result()
        result.link(calls.append)
        result.link(calls.append)
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
        result.unlink(calls.append)
        result.unlink(calls.extend)
        result.set()
        result.unlink(calls.append)
        handler.stop()
        assert calls == []

    # C14: waiters.

    def test_c14_all_waiters_wake(self, handler: Handler) -> None:
        """Tasks and plain threads."""
        result = handler.async_result()
        values: list[int] = []
        waiting: list[int] = []

        def wait() -> Any:
            waiting.append(1)
            return self.got(result)

        tasks = [handler.spawn(lambda: values.append(wait())) for _ in range(20)]
        threads = [self.os_thread(wait) for _ in range(5)]
        self.until(handler, lambda: len(waiting) == 25)
        handler.sleep_func(0.01)
        result.set(1)
        self.ended(*tasks)
        assert values == [1] * 20
        assert [thread.result(handler) for thread in threads] == [1] * 5

    # C15: tracebacks.

    def test_c15_getting_an_exception_often_keeps_its_traceback_short(self, idle: Handler) -> None:
        """Each get shows the same frames."""
        result = idle.async_result()
        try:
            raise ValueError("as planned")
        except ValueError as error:
            result.set_exception(error)
        lengths = set()
        for _ in range(10):
            with pytest.raises(ValueError, match="as planned") as caught:
                result.get()
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
        assert _entries(error) <= 2

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
        "name", ["get", "timed get", "wait", "timed wait", "event", "lock", "stop", "join"]
    )
    def test_c16_a_wait_in_the_loop_is_refused(self, looping: Handler, name: str) -> None:
        """It would never end, and so it does not begin; the handler goes on."""
        handler = looping
        result, event, lock = handler.async_result(), handler.event_object(), handler.lock_object()
        lock.acquire()
        task = handler.spawn(result.wait)
        self.drained(handler)
        self.dispatch(handler, result.wait)  # so that there is something to wait for in stop, too
        waits: dict[str, Callable[[], object]] = {
            "get": result.get,
            "timed get": lambda: result.get(timeout=LONG),
            "wait": result.wait,
            "timed wait": lambda: result.wait(LONG),
            "event": event.wait,
            "lock": lock.acquire,
            "stop": handler.stop,
            "join": task.join,
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
        assert refused[0], "the refusal does not say what to do instead"
        assert handler.running
        result.set()
        self.ended(task)
        self.drained(handler)

    def test_c16_a_wait_that_is_over_returns_in_the_loop_too(self, looping: Handler) -> None:
        """As everything does that does not wait."""
        handler = looping
        result, event, lock = handler.async_result(), handler.event_object(), handler.lock_object()
        result.set(1)
        event.set()
        task = handler.spawn(int)
        self.ended(task)
        returned: list[Any] = []
        called = handler.event_object()

        def wait() -> None:
            try:
                returned.extend((result.get(), result.get(timeout=LONG), result.wait()))
                returned.extend((event.wait(), lock.acquire(), task.join()))
                returned.append(handler.async_result().wait(0))
            finally:
                called.set()

        self.in_loop(handler, wait)
        self.happens(called)
        assert returned == [1, 1, True, True, True, None, False]
