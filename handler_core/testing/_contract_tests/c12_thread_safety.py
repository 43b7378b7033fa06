"""C12: thread safety."""

from __future__ import annotations

import functools
import resource
import threading
import time
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite, calling
from handler_core.testing._time_limits import LONG

__all__ = ["ThreadSafetyTests"]


class ThreadSafetyTests(Suite):
    """C12: results and workers across threads."""

    @pytest.mark.parametrize("failing", [False, True], ids=["set", "set_exception"])
    def test_c12_an_os_thread_sets_what_a_task_waits_for(
        self, handler: Handler, failing: bool
    ) -> None:
        """The set wakes the waiter, not the timeout."""
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
        """A waiter does not poll for the outcome."""

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
            handler.sleep_func(0.01)  # time for it to park
            self.run_in(sets, handler, set_it)()
            waiter()
            assert len(times) == 2, "what waited was not woken"
            return times[1] - times[0]

        attempts = [functools.partial(delay, failing) for failing in (False, True)]
        self.in_time(0.1, attempts * 2)

    @pytest.mark.parametrize("what", ["callbacks", "links"])
    def test_c12_an_idle_worker_is_woken_at_once(self, handler: Handler, what: str) -> None:
        """Neither of the two workers polls for something to run."""

        def delay() -> float:
            ran = handler.event_object()
            times: list[float] = []

            def run(*_: Any) -> None:
                times.append(time.monotonic())
                ran.set()

            result = handler.async_result()
            result.link(run)
            handler.sleep_func(0.01)  # time for the worker to park
            begun = time.monotonic()
            if what == "links":
                result.set()
            else:
                self.dispatch(handler, run)
            self.happens(ran)
            return times[0] - begun

        self.in_time(0.1, [delay] * 4)

    def test_c12_an_os_thread_times_out(self, handler: Handler) -> None:
        """It gets the same exception."""
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
        """Plain threads link, unlink and set a result with links."""
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
        """However a thread wakes a task, it can wake the next one too."""
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
        capfd.readouterr()  # drop the library's reports of the exceptions

    @pytest.mark.parametrize("timeout", [None, LONG], ids=["for ever", "with a timeout"])
    def test_c12_who_waits_does_not_poll(self, handler: Handler, timeout: float | None) -> None:
        """While a task, a thread and an idle worker wait, the process stands still."""
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

        # Other parts of this process may be busy for a while, but not for ever.
        still = any(stands_still() for _ in range(10))
        result.set()
        self.ended(task)
        thread.result(handler)
        assert still, "the process wakes up again and again while nothing happens"

    def test_c12_set_races_with_wait_and_link(self, handler: Handler) -> None:
        """In any order, each wait ends and each link is called once."""
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

    def set_later(self, result: Any, value: Any) -> None:
        """Let the waiter park, and set the result. Runs in a thread of the operating system."""
        time.sleep(0.01)
        result.set(value)
