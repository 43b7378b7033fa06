"""C2: the drain, in which stop runs what is left."""

from __future__ import annotations

from typing import Any

import pytest

from handler_core import Handler
from handler_core.execution import Task
from handler_core.testing._suite import Suite, calling
from handler_core.testing._time_limits import LONG

__all__ = ["DrainTests"]


class DrainTests(Suite):
    """C2: the drain, in which stop runs what is left."""

    def test_c2_in_the_drain_a_callback_may_wait_for_a_link(self, handler: Handler) -> None:
        """Both workers continue until both queues are empty."""
        gate, linked = handler.event_object(), handler.event_object()
        seen: list[bool] = []
        result = handler.async_result()
        result.link(calling(linked.set))

        def callback() -> None:
            gate.wait(LONG)
            result.set(1)
            seen.append(linked.wait(LONG))

        self.dispatch(handler, callback)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        gate.set()
        self.ended(stopper)
        assert seen == [True]
        assert not stopper.is_alive()

    def test_c2_in_the_drain_links_lead_to_links(self, handler: Handler) -> None:
        """If a link sets another result, the links of that one run too."""
        ran: list[int] = []

        def chain(depth: int) -> None:
            result = handler.async_result()
            result.link(calling(ran.append, depth))
            if depth:
                result.link(calling(chain, depth - 1))
            result.set()

        self.dispatch(handler, chain, 20)
        handler.stop()
        assert ran == list(range(20, -1, -1))

    def test_c2_the_drain_runs_links_that_were_queued_before_it(self, handler: Handler) -> None:
        """Links queued behind a link that blocks run, even when no callbacks are left."""
        ran: list[int] = []
        callbacks_go_on, links_go_on = handler.event_object(), handler.event_object()
        blocked, drained = handler.event_object(), handler.event_object()
        result = handler.async_result()

        def block(_: Any) -> None:
            blocked.set()
            links_go_on.wait(LONG)

        result.link(block)
        for number in range(20):
            result.link(calling(ran.append, number))
        result.set()
        self.dispatch(handler, callbacks_go_on.wait, LONG)
        self.dispatch(handler, drained.set)
        self.happens(blocked)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        callbacks_go_on.set()
        self.happens(drained)
        handler.sleep_func(0.01)  # time in which the callbacks' worker could end too early
        assert ran == []
        links_go_on.set()
        self.ended(stopper)
        assert ran == list(range(20))

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c2_in_the_drain_the_setter_calls_no_links(
        self, handler: Handler, linked: bool
    ) -> None:
        """The second worker runs links until the drain is over, whatever else still runs."""
        ran: list[str] = []
        gate, blocked = handler.event_object(), handler.event_object()

        def block(*_: Any) -> None:
            blocked.set()
            gate.wait(LONG)

        if linked:
            first = handler.async_result()
            first.link(block)
            first.set()
        else:
            self.dispatch(handler, block)
        self.happens(blocked)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        result = handler.async_result()
        set_returned = handler.event_object()

        def link(_: Any) -> None:
            ran.append("set returned" if set_returned.wait(LONG) else "the setter calls")

        result.link(link)

        def set_result() -> None:
            result.set()
            set_returned.set()

        setter = handler.spawn(set_result)
        self.happens(set_returned)
        gate.set()
        self.ended(setter, stopper)
        assert ran == ["set returned"]

    def test_c2_dispatched_in_the_drain_waits_for_start(self, handler: Handler) -> None:
        """Stop returns even if a callback dispatches itself again and again."""
        ran: list[int] = []

        def again() -> None:
            ran.append(len(ran))
            self.dispatch(handler, again)

        gate = handler.event_object()
        self.dispatch(handler, gate.wait, LONG)
        self.dispatch(handler, again)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        gate.set()
        self.ended(stopper)
        assert ran == [0]
        handler.start()
        self.until(handler, lambda: len(ran) > 1)

    def test_c2_what_others_dispatch_in_the_drain_waits_for_start(self, handler: Handler) -> None:
        """A callback of another task neither runs in the drain nor is lost."""
        ran: list[str] = []
        gate, stopper = self.draining(handler)
        self.dispatch(handler, ran.append, "dispatched in the drain")
        gate.set()
        self.ended(stopper)
        assert ran == []
        handler.start()
        handler.stop()
        assert ran == ["dispatched in the drain"]

    def test_c2_start_in_the_drain_makes_no_second_worker(self, handler: Handler) -> None:
        """Callbacks still run one at a time and in order, and the stop returns."""
        gate, blocked = handler.event_object(), handler.event_object()
        running: list[int] = []
        most: list[int] = []
        ran: list[int] = []

        def callback(number: int) -> None:
            running.append(number)
            most.append(len(running))
            if number == 0:
                blocked.set()
                gate.wait(LONG)
            handler.sleep_func(0)
            running.remove(number)
            ran.append(number)

        self.dispatch(handler, callback, 0)
        self.happens(blocked)
        self.dispatch(handler, callback, 1)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        self.dispatch(handler, callback, 2)
        handler.start()
        assert handler.running
        self.dispatch(handler, callback, 3)
        handler.sleep_func(0.01)
        assert ran == []
        gate.set()
        self.ended(stopper)
        assert ran[:2] == [0, 1]
        self.drained(handler)
        assert ran == [0, 1, 2, 3]
        assert max(most) == 1
        assert handler.running

    def test_c2_two_stops_wait_for_one_drain(self, handler: Handler) -> None:
        """Both return after the last callback."""
        gate = handler.event_object()
        ran: list[str] = []

        def stop(name: str) -> None:
            handler.stop()
            ran.append(name)

        self.dispatch(handler, gate.wait, LONG)
        self.dispatch(handler, ran.append, "callback")
        first = handler.spawn(stop, "first")
        self.until(handler, lambda: not handler.running)
        second = handler.spawn(stop, "second")
        handler.sleep_func(0.01)
        assert ran == []
        gate.set()
        self.ended(first, second)
        assert ran[0] == "callback"
        assert sorted(ran[1:]) == ["first", "second"]

    def test_c2_a_stop_after_a_start_in_the_drain_waits(self, handler: Handler) -> None:
        """It also waits for callbacks that were dispatched after that start."""
        ran: list[str] = []

        def stop() -> None:
            handler.stop()
            ran.append("stop returned")

        gate, first = self.draining(handler)
        handler.start()
        self.dispatch(handler, ran.append, "callback")
        second = handler.spawn(stop)
        self.until(handler, lambda: not handler.running)
        handler.sleep_func(0.01)
        assert ran == []
        gate.set()
        self.ended(first, second)
        assert ran == ["callback", "stop returned"]

    def test_c2_stop_waits_as_long_as_it_takes(self, handler: Handler) -> None:
        """It does not give up after a second."""
        ran: list[str] = []
        self.dispatch(handler, handler.sleep_func, 1.2)
        self.dispatch(handler, ran.append, "callback")
        handler.stop()
        assert ran == ["callback"]

    def draining(self, handler: Handler) -> tuple[Any, Task]:
        """Stop the handler from a task.

        Returns:
            An event that the drain waits for, and the task that stops the handler.
        """
        gate, blocked = handler.event_object(), handler.event_object()

        def block() -> None:
            blocked.set()
            gate.wait(LONG)

        self.dispatch(handler, block)
        self.happens(blocked)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        return gate, stopper
