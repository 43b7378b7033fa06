"""The home: the hub in which the workers run."""

from __future__ import annotations

from typing import Any

import gevent
import gevent.event
import pytest
from gevent_process import OwnTests

from handler_core import Handler
from handler_core.testing import LIMIT, calling


class TestHome(OwnTests):
    def test_stop_from_a_thread(self, handler: Handler) -> None:
        ran: list[int] = []
        for number in range(100):
            self.dispatch(handler, ran.append, number)
        self.os_thread(handler.stop).result(handler)
        assert ran == list(range(100))
        assert not handler.running

    def test_callbacks_run_in_the_thread_that_started(self, idle: Handler) -> None:
        hubs: list[Any] = []
        started, ran = idle.event_object(), idle.event_object()

        def home() -> Any:
            idle.start()
            started.set()
            assert ran.wait(LIMIT)
            idle.stop()
            return gevent.get_hub()

        thread = self.in_hub_of_thread(home)
        self.happens(started)
        self.dispatch(idle, lambda: hubs.append(gevent.get_hub()))
        result = idle.async_result()
        result.link(lambda _: hubs.append(gevent.get_hub()))
        result.link(calling(ran.set))
        self.drained(idle)
        result.set()
        assert thread.result(idle) is hubs[0] is hubs[1]

    def test_each_start_makes_a_home(self, idle: Handler) -> None:
        """It is also the home of what was dispatched before it."""
        idle.start()
        self.drained(idle)
        idle.stop()
        hubs: list[Any] = []
        self.dispatch(idle, lambda: hubs.append(gevent.get_hub()))

        def home() -> Any:
            idle.start()
            idle.stop()
            return gevent.get_hub()

        assert [self.in_hub_of_thread(home).result(idle)] == hubs

    def test_a_thread_without_a_hub_leaves_the_home_where_it_is(self, idle: Handler) -> None:
        idle.start()
        self.os_thread(idle.start).result(idle)
        idle.stop()
        self.os_thread(idle.start).result(idle)  # where it was before
        self.drained(idle)
        hubs: list[Any] = []
        task = self.os_thread(idle.spawn, lambda: hubs.append(gevent.get_hub())).result(idle)
        task.join(LIMIT)
        assert hubs == [gevent.get_hub()]

    def test_a_home_that_has_ended(self, idle: Handler) -> None:
        def home() -> None:
            idle.start()
            self.drained(idle)

        self.in_hub_of_thread(home).result(idle)
        ran: list[int] = []
        self.dispatch(idle, ran.append, 1)
        self.until(idle, lambda: idle.home.has_ended())
        with pytest.raises(RuntimeError, match=r"has ended.* 1 callbacks are left"):
            idle.stop()
        assert not idle.running
        idle.start()
        self.drained(idle)
        assert ran == [1]

    def test_a_home_that_has_ended_is_replaced_by_start(self, idle: Handler) -> None:
        def home() -> None:
            idle.start()
            self.drained(idle)

        self.in_hub_of_thread(home).result(idle)
        self.until(idle, lambda: idle.home.has_ended())
        idle.start()
        self.drained(idle)

    def test_a_home_that_ends_while_somebody_stops(self, idle: Handler) -> None:
        blocked, stopping = idle.event_object(), idle.event_object()

        def home() -> None:
            # Without `destroy`, which many programs forget.
            def start() -> None:
                idle.start()
                self.dispatch(idle, blocked.set)
                self.dispatch(idle, idle.event_object().wait)
                assert stopping.wait(LIMIT)

            gevent.spawn(start).join()

        thread = self.os_thread(home)
        self.happens(blocked)
        stopper = gevent.spawn(idle.stop)
        self.until(idle, lambda: not idle.running)
        stopping.set()
        thread.result(idle)
        with pytest.raises(RuntimeError, match="has ended"):
            stopper.get(timeout=LIMIT)
        idle.start()
        self.drained(idle)
