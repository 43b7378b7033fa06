"""OS threads and their hubs, beside the hub of the handler."""

from __future__ import annotations

from typing import Any

import gevent
import gevent.event
import pytest
from gevent._hub_local import get_hub_if_exists
from gevent_process import OwnTests, native_sleep
from handler_core_gevent import AsyncResult, GeventTimeoutError

from handler_core import Handler
from handler_core.testing import LIMIT


class TestThreads(OwnTests):
    def test_a_setter_in_another_hub(self, handler: Handler) -> None:
        for _ in range(20):
            asked, answered = handler.async_result(), handler.async_result()

            def answer(asked: Any = asked, answered: Any = answered) -> None:
                answered.set(asked.get(timeout=LIMIT) + 1)

            thread = self.in_hub_of_thread(answer)
            gevent.spawn(asked.set, 1)
            assert answered.get(timeout=2 * LIMIT) == 2
            thread.result(handler)

    def test_two_hubs_wait_for_one_result(self, idle: Handler) -> None:
        result = idle.async_result()
        waiting = [idle.event_object() for _ in range(3)]

        def wait(number: int) -> Any:
            waiting[number].set()
            return result.get(timeout=LIMIT)

        threads = [self.in_hub_of_thread(wait, number) for number in range(3)]
        task = gevent.spawn(result.get, timeout=LIMIT)
        for event in waiting:
            self.happens(event)
        self.os_thread(result.set, 1).result(idle)
        assert [thread.result(idle) for thread in threads] == [1] * 3
        assert task.get() == 1

    def test_events_and_locks_between_hubs(self, idle: Handler) -> None:
        inside: list[int] = []
        most: list[int] = []
        lock, rlock, event = idle.lock_object(), idle.rlock_object(), idle.event_object()

        def work() -> None:
            assert event.wait(LIMIT)
            for _ in range(20):
                with lock, rlock, rlock:
                    inside.append(1)
                    gevent.sleep(0)
                    most.append(len(inside))
                    inside.pop()

        threads = [self.in_hub_of_thread(work) for _ in range(3)]
        tasks = [idle.spawn(work) for _ in range(3)]
        event.set()
        for thread in threads:
            thread.result(idle)
        for task in tasks:
            task.join(LIMIT)
        assert most == [1] * 120

    def test_a_thread_that_waits_gets_no_hub(self, handler: Handler) -> None:
        result, event = handler.async_result(), handler.event_object()

        def wait() -> Any:
            event.wait(LIMIT)
            handler.select([], [], [], 0.001)
            self.dispatch(handler, result.set, 1)
            return result.get(timeout=LIMIT), get_hub_if_exists()

        thread = self.os_thread(wait)
        event.set()
        assert thread.result(handler) == (1, None)

    def test_a_result_without_a_handler(self, idle: Handler) -> None:
        result = AsyncResult()
        ticks: list[int] = []
        gevent.spawn(ticks.append, 1)
        thread = self.os_thread(
            lambda: self.until(idle_thread, lambda: bool(ticks)) or result.set()
        )
        assert result.wait(LIMIT)
        assert ticks == [1]
        thread.result(idle)
        with pytest.raises(GeventTimeoutError):
            AsyncResult().get(timeout=0.001)

    def test_no_loop_exit_while_a_thread_may_wake_somebody(self) -> None:
        printed = self.run_script(
            """
            import gevent, gevent.event, time
            from gevent import monkey
            start_thread = monkey.get_original("_thread", "start_new_thread")
            sleep = monkey.get_original("time", "sleep")
            def loop_exits():
                try:
                    gevent.event.AsyncResult().get()
                except gevent.hub.LoopExit:
                    return True
            assert loop_exits()
            for wait in ("get", "wait"):
                result = handler.async_result()
                start_thread(lambda: (sleep(0.2), result.set(1)), ())
                assert getattr(result, wait)()
            try:
                handler.async_result().get(timeout=0.01)
            except handler.timeout_exception:
                pass
            assert loop_exits()
            print("ok")
            """
        )
        assert printed == "ok\n"


class _NativeSleeper:
    """Looks like a handler to `until`, in a thread that is to get no hub."""

    sleep_func = staticmethod(native_sleep)


idle_thread: Any = _NativeSleeper()


class TestTheHubItself(OwnTests):
    def test_what_does_not_wait_works_in_the_hub(self, handler: Handler) -> None:
        result, done = handler.async_result(), handler.event_object()
        seen: list[Any] = []

        def in_hub() -> None:
            result.link(seen.append)
            result.set(1)
            seen.append(result.get())
            seen.append(handler.select([], [], [], 0))
            self.dispatch(handler, done.set)

        gevent.get_hub().loop.run_callback(in_hub)
        self.happens(done)
        self.until(handler, lambda: len(seen) == 3)
        assert seen == [1, ([], [], []), result]
