"""C1 to C3: starting, stopping, and that nothing is lost."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from handler_core import Handler
from handler_core.execution import Task
from handler_core.testing.suite import LIMIT, LONG, Suite, calling

__all__ = ["LifecycleTests"]


class LifecycleTests(Suite):
    """C1 to C3 of the contract."""

    # C1: start and stop.

    def test_c1_start_and_stop_are_idempotent(self, idle: Handler) -> None:
        """A second start or stop does nothing; stop before start neither."""
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
        """Stopped and started, it runs callbacks and links as before."""
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
        """Whoever holds the handler may start and stop it."""
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
        """A thread that nothing was done in before starts, uses and stops a handler of its own."""

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
        """A stop says that it has, or runs what is left; it never waits for ever."""
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
        """``with handler`` starts and stops it."""
        with idle as entered:
            assert entered is idle
            assert idle.running
        assert not idle.running

    def test_c1_with_statement_stops_after_an_error(self, idle: Handler) -> None:
        """And lets the error through."""
        with pytest.raises(ValueError, match="as planned"), idle:
            raise ValueError("as planned")
        assert not idle.running

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c1_a_second_start_makes_no_second_worker(self, handler: Handler, linked: bool) -> None:
        """What is queued before and after it waits for what runs."""
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
        handler.sleep_func(0.02)  # while a second one could run them
        assert ran == []
        gate.set()
        handler.stop()
        assert ran[0] == 1
        assert sorted(ran) == [1, 2, 3]

    def test_c1_a_stop_from_an_os_thread_waits_for_the_drain(self, handler: Handler) -> None:
        """It returns when the workers have run what there was."""
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
        """Whatever the order, it ends in one state, and works."""
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

    # C2: nothing is lost.

    def test_c2_stop_runs_what_was_dispatched(self, handler: Handler) -> None:
        """All that was dispatched before stop has run when stop returns."""
        ran: list[int] = []
        for number in range(1000):
            self.dispatch(handler, ran.append, number)
        handler.stop()
        assert ran == list(range(1000))

    def test_c2_stop_runs_the_links_of_what_was_set(self, handler: Handler) -> None:
        """All results set before stop have had their links called when stop returns."""
        ran: list[int] = []
        results = [handler.async_result() for _ in range(1000)]
        for result in results:
            result.link(lambda done: ran.append(done.value))
        for number, result in enumerate(results):
            result.set(number)
        handler.stop()
        assert ran == list(range(1000))

    def test_c2_dispatched_while_stopped_waits_for_start(self, idle: Handler) -> None:
        """It does not run while the handler is stopped, and does, in order, when it is started."""
        ran: list[int] = []
        for number in range(3):
            self.dispatch(idle, ran.append, number)
        idle.stop()  # which is stopped, and stays so
        idle.sleep_func(0.01)
        assert ran == []
        idle.start()
        self.drained(idle)
        assert ran == [0, 1, 2]
        idle.stop()
        for number in range(3, 6):
            self.dispatch(idle, ran.append, number)
        idle.stop()
        idle.sleep_func(0.01)
        assert ran == [0, 1, 2]
        idle.start()
        idle.stop()
        assert ran == [0, 1, 2, 3, 4, 5]

    @pytest.mark.parametrize("failure", [None, ValueError("as planned")], ids=["value", "failure"])
    @pytest.mark.parametrize("stopped", [False, True], ids=["before start", "after stop"])
    def test_c2_links_are_called_by_the_setter_while_stopped(
        self, idle: Handler, stopped: bool, failure: ValueError | None
    ) -> None:
        """A client that has stopped its handler still hears of its last results."""
        if stopped:
            idle.start()
            self.drained(idle)
            idle.stop()
        ran: list[Any] = []
        result = idle.async_result()
        result.link(ran.append)
        result.link(ran.extend)  # a result is no list: raises, is logged
        result.link(lambda _: ran.append(threading.get_ident()))
        assert ran == []
        if failure is None:
            result.set(1)
        else:
            result.set_exception(failure)
        assert ran == [result, threading.get_ident()]
        result.link(ran.extend)
        result.link(lambda done: ran.append((done.value, done.exception)))
        assert ran[2:] == [(1, None) if failure is None else (None, failure)]

    def test_c2_in_the_drain_a_callback_may_wait_for_a_link(self, handler: Handler) -> None:
        """Both workers go on until both have nothing left."""
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
        """A link that sets a further result has that one's links called too."""
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
        """Those behind a link that blocks, when the callbacks are through already."""
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
        handler.sleep_func(0.01)  # the callbacks' worker ends, with the links still to be called
        assert ran == []
        links_go_on.set()
        self.ended(stopper)
        assert ran == list(range(20))

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c2_in_the_drain_the_setter_calls_no_links(
        self, handler: Handler, linked: bool
    ) -> None:
        """The second worker does, until the drain is over, whatever it is that still runs."""
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
        """A callback that always dispatches itself again does not keep stop from returning."""
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
        """Whoever dispatches it, it neither runs in the drain nor is lost."""
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
        """Callbacks still run one at a time, in order, and the stop still returns."""
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
        """Each of them returns after the last callback."""
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
        """For what was dispatched since, too."""
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

    # C3: stop from inside.

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c3_stop_from_inside(self, handler: Handler, linked: bool) -> None:
        """It returns before what is queued has run, which then still runs."""
        ran: list[str] = []
        gate, done = handler.event_object(), handler.event_object()

        def stop() -> None:
            gate.wait(LONG)
            handler.stop()
            ran.append("stop returned")

        if linked:
            result = handler.async_result()
            for link in (
                calling(stop),
                calling(ran.append, "queued"),
                calling(done.set),
            ):
                result.link(link)
            result.set()
        else:
            self.dispatch(handler, stop)
            self.dispatch(handler, ran.append, "queued")
            self.dispatch(handler, done.set)
        gate.set()
        self.happens(done)
        assert ran == ["stop returned", "queued"]
        handler.stop()
        assert not handler.running

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c3_stop_from_inside_leaves_the_other_worker_alone(
        self, handler: Handler, linked: bool
    ) -> None:
        """It does not wait for what runs there, and what is queued there still runs."""
        ran: list[str] = []
        gate, blocked = handler.event_object(), handler.event_object()
        stopped = handler.event_object()

        def block() -> None:
            blocked.set()
            gate.wait(LONG)

        def stop() -> None:
            handler.stop()
            stopped.set()

        self.queue(handler, not linked, block)
        self.happens(blocked)
        self.queue(handler, not linked, ran.append, "queued")
        self.queue(handler, linked, stop)
        self.happens(stopped)
        assert ran == []
        gate.set()
        handler.stop()
        assert ran == ["queued"]

    def test_c3_a_stop_from_outside_waits_for_the_end_of_one_from_inside(
        self, handler: Handler
    ) -> None:
        """That one has left it to others to wait."""
        ran: list[str] = []
        gate, stopped = handler.event_object(), handler.event_object()

        def stop_inside() -> None:
            handler.stop()
            stopped.set()
            gate.wait(LONG)
            ran.append("callback")

        def stop_outside() -> None:
            handler.stop()
            ran.append("stop returned")

        self.dispatch(handler, stop_inside)
        self.happens(stopped)
        stopper = handler.spawn(stop_outside)
        handler.sleep_func(0.02)
        assert ran == []
        gate.set()
        self.ended(stopper)
        assert ran == ["callback", "stop returned"]

    def test_c3_stop_from_inside_is_prompt(self, idle: Handler) -> None:
        """In a tenth of a second; even a busy machine has an idle moment."""
        took: list[float] = []

        def stop() -> None:
            begun = time.monotonic()
            idle.stop()
            took.append(time.monotonic() - begun)

        def is_prompt() -> bool:
            idle.start()
            self.dispatch(idle, stop)
            idle.stop()
            return took[-1] <= 0.1

        given_up = time.monotonic() + LIMIT
        while not is_prompt():
            assert time.monotonic() < given_up, f"it takes {min(took):.3f} seconds and more"

    def test_c3_stop_and_start_from_inside(self, handler: Handler) -> None:
        """A callback may restart its own handler."""
        ran: list[str] = []

        def restart() -> None:
            handler.stop()
            handler.start()
            ran.append("restarted")

        self.dispatch(handler, restart)
        self.drained(handler)
        assert ran == ["restarted"]
        assert handler.running

    def draining(self, handler: Handler) -> tuple[Any, Task]:
        """Have it stopped; return an event that the drain waits for, and the task that stops."""
        gate, blocked = handler.event_object(), handler.event_object()

        def block() -> None:
            blocked.set()
            gate.wait(LONG)

        self.dispatch(handler, block)
        self.happens(blocked)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        return gate, stopper
