"""C2: nothing is lost, whether the handler runs or not."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite

__all__ = ["NothingIsLostTests"]


class NothingIsLostTests(Suite):
    """C2: stop loses nothing, and a stopped handler loses nothing either."""

    def test_c2_stop_runs_what_was_dispatched(self, handler: Handler) -> None:
        """When stop returns, all callbacks that were dispatched before it have run."""
        ran: list[int] = []
        for number in range(1000):
            self.dispatch(handler, ran.append, number)
        handler.stop()
        assert ran == list(range(1000))

    def test_c2_stop_runs_the_links_of_what_was_set(self, handler: Handler) -> None:
        """When stop returns, all links of results that were set before it have run."""
        ran: list[int] = []
        results = [handler.async_result() for _ in range(1000)]
        for result in results:
            result.link(lambda done: ran.append(done.value))
        for number, result in enumerate(results):
            result.set(number)
        handler.stop()
        assert ran == list(range(1000))

    def test_c2_dispatched_while_stopped_waits_for_start(self, idle: Handler) -> None:
        """It does not run while the handler is stopped. After the start, it runs in order."""
        ran: list[int] = []
        for number in range(3):
            self.dispatch(idle, ran.append, number)
        idle.stop()  # it is stopped already, and stays so
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
        """A client still hears of its last results after it has stopped its handler."""
        if stopped:
            idle.start()
            self.drained(idle)
            idle.stop()
        ran: list[Any] = []
        result = idle.async_result()
        result.link(ran.append)
        result.link(ran.extend)  # raises, because a result is no list; that is logged
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
