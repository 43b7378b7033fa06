"""C1: start and stop."""

from __future__ import annotations

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite, calling
from handler_core.testing._time_limits import LONG

__all__ = ["StartAndStopTests"]


class StartAndStopTests(Suite):
    """C1: start and stop."""

    def test_c1_start_and_stop_are_idempotent(self, idle: Handler) -> None:
        """A second start or stop has no effect, and neither has a stop before the start."""
        idle.stop()
        assert not idle.running
        idle.start()
        idle.start()
        assert idle.running
        self.drained(idle)
        idle.stop()
        idle.stop()
        assert not idle.running

    def test_c1_a_handler_can_be_started_again(self, idle: Handler) -> None:
        """A handler that was stopped and started runs callbacks and links as before."""
        for _ in range(3):
            idle.start()
            linked = idle.event_object()
            result = idle.async_result()
            result.link(calling(linked.set))
            self.dispatch(idle, result.set, 1)
            self.happens(linked)
            idle.stop()
            assert not idle.running

    def test_c1_start_and_stop_from_other_tasks(self, idle: Handler) -> None:
        """Any task that has the handler may start and stop it."""
        ran: list[int] = []
        starter = idle.spawn(idle.start)
        self.ended(starter)
        assert idle.running
        self.dispatch(idle, ran.append, 1)
        stopper = idle.spawn(idle.stop)
        self.ended(stopper)
        assert not idle.running
        assert ran == [1]

    def test_c1_any_thread_may_be_the_home(self, handler: Handler) -> None:
        """A new thread may start, use and stop a handler of its own."""

        def live() -> list[int]:
            ran: list[int] = []
            own = self.make_handler()
            own.start()
            result = own.async_result()
            result.link(lambda done: ran.append(done.value))
            self.dispatch(own, result.set, 1)
            ran.append(result.get(timeout=LONG))
            own.stop()
            return ran

        assert self.os_thread(live).result(handler) == [1, 1]

    def test_c1_a_thread_that_started_the_handler_may_end(self, idle: Handler) -> None:
        """After that, stop runs what is left or raises an error. It never waits for ever."""
        ran: list[str] = []
        self.os_thread(idle.start).result(idle)
        self.dispatch(idle, ran.append, "left")
        try:
            idle.stop()
        except RuntimeError:
            pass
        else:
            assert ran == ["left"], "stop has lost its workers, and does not say so"
        assert not idle.running
        idle.start()
        self.dispatch(idle, ran.append, "afresh")
        idle.stop()
        assert ran == ["left", "afresh"]

    def test_c1_with_statement(self, idle: Handler) -> None:
        """``with handler`` starts and stops the handler."""
        with idle as entered:
            assert entered is idle
            assert idle.running
        assert not idle.running

    def test_c1_with_statement_stops_after_an_error(self, idle: Handler) -> None:
        """The ``with`` statement stops the handler after an error, and passes the error on."""
        with pytest.raises(ValueError, match="as planned"), idle:
            raise ValueError("as planned")
        assert not idle.running

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c1_a_second_start_makes_no_second_worker(self, handler: Handler, linked: bool) -> None:
        """Callbacks queued before and after a second start wait for the one that runs."""
        gate, blocked = handler.event_object(), handler.event_object()
        ran: list[int] = []

        def block() -> None:
            blocked.set()
            gate.wait(LONG)
            ran.append(1)

        self.queue(handler, linked, block)
        self.happens(blocked)
        self.queue(handler, linked, ran.append, 2)
        handler.start()
        self.queue(handler, linked, ran.append, 3)
        handler.sleep_func(0.02)  # time in which a second worker could run them
        assert ran == []
        gate.set()
        handler.stop()
        assert ran[0] == 1
        assert sorted(ran) == [1, 2, 3]

    def test_c1_a_stop_from_an_os_thread_waits_for_the_drain(self, handler: Handler) -> None:
        """It returns after the workers have run all that was queued."""
        ran: list[str] = []

        def stop() -> None:
            handler.stop()
            ran.append("stop returned")

        gate = handler.event_object()
        self.dispatch(handler, gate.wait, LONG)
        self.dispatch(handler, ran.append, "callback")
        stopper = self.os_thread(stop)
        self.until(handler, lambda: not handler.running)
        handler.sleep_func(0.02)
        assert ran == []
        gate.set()
        stopper.result(handler)
        assert ran == ["callback", "stop returned"]

    def test_c1_many_tasks_start_and_stop_at_once(self, idle: Handler) -> None:
        """In any order of the calls, the handler ends in one state and works."""
        ran: list[int] = []

        def toggle() -> None:
            for number in range(20):
                idle.start()
                self.dispatch(idle, ran.append, number)
                idle.stop()

        tasks = [idle.spawn(toggle) for _ in range(4)]
        self.ended(*tasks)
        idle.start()
        idle.stop()
        assert len(ran) == 80
