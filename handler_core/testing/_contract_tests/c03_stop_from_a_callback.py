"""C3: stop from a callback."""

from __future__ import annotations

import time

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite, calling
from handler_core.testing._time_limits import LIMIT, LONG

__all__ = ["StopFromACallbackTests"]


class StopFromACallbackTests(Suite):
    """C3: a callback or link stops its own handler."""

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c3_stop_from_inside(self, handler: Handler, linked: bool) -> None:
        """It returns before the queued callbacks or links have run. They still run."""
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
        """It does not wait for what the other worker runs. What is queued there still runs."""
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
        """The stop from inside does not wait, so a later one from outside must."""
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
        """It takes a tenth of a second at most. Even a busy machine has an idle moment."""
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
