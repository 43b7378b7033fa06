"""C9: dispatch from anywhere."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite
from handler_core.testing._time_limits import LIMIT, LONG

__all__ = ["DispatchTests"]


class DispatchTests(Suite):
    """C9: dispatch from anywhere."""

    def test_c9_dispatch_from_any_os_thread(self, handler: Handler) -> None:
        """No callback is lost, and those of one thread keep their order."""
        ran: list[tuple[int, int]] = []

        def work(thread: int) -> None:
            for number in range(250):
                self.dispatch(handler, ran.append, (thread, number))

        threads = [self.os_thread(work, thread) for thread in range(4)]
        for thread in threads:
            thread.result(handler)
        self.drained(handler)
        assert len(ran) == 1000
        for index in range(4):
            assert [number for thread, number in ran if thread == index] == list(range(250))

    def test_c9_dispatch_from_an_os_thread_wakes_an_idle_worker(self, handler: Handler) -> None:
        """It does so each time, whatever the worker was doing."""
        self.drained(handler)
        for _ in range(100):
            event = handler.event_object()
            self.os_thread(self.dispatch, handler, event.set).result(handler)
            self.happens(event)

    def test_c9_an_os_thread_wakes_an_idle_worker_at_once(self, handler: Handler) -> None:
        """Most times take a tenth of a second at most. Even a busy machine has an idle moment."""

        def lateness() -> float:
            ran = handler.event_object()
            times: list[float] = []

            def callback() -> None:
                times.append(time.monotonic())
                ran.set()

            def work() -> None:
                times.append(time.monotonic())
                self.dispatch(handler, callback)

            self.os_thread(work).result(handler)
            self.happens(ran)
            return times[1] - times[0]

        given_up = time.monotonic() + LIMIT
        while (late := sorted(lateness() for _ in range(9))[4]) > 0.1:
            assert time.monotonic() < given_up, f"woken {late:.3f} seconds late"

    def test_c9_dispatch_from_an_os_thread_while_stopped(self, idle: Handler) -> None:
        """The callback waits for the next start, as it does from any other task."""
        ran: list[str] = []
        self.os_thread(self.dispatch, idle, ran.append, "before start").result(idle)
        idle.start()
        self.drained(idle)
        idle.stop()
        assert ran == ["before start"]
        self.os_thread(self.dispatch, idle, ran.append, "after stop").result(idle)
        idle.start()
        idle.stop()
        assert ran == ["before start", "after stop"]

    def test_c9_dispatch_from_an_os_thread_in_the_drain(self, handler: Handler) -> None:
        """The callback waits for the next start here too."""
        gate = handler.event_object()
        ran: list[str] = []
        self.dispatch(handler, gate.wait, LONG)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        self.os_thread(self.dispatch, handler, ran.append, "in the drain").result(handler)
        gate.set()
        self.ended(stopper)
        assert ran == []
        handler.start()
        handler.stop()
        assert ran == ["in the drain"]

    def test_c9_what_is_no_callback_is_refused(self, handler: Handler) -> None:
        """The dispatch refuses it at once, and the handler stays usable."""
        for wrong in (None, "text", print, object(), SimpleNamespace(func=print)):
            with pytest.raises(TypeError):
                handler.dispatch_callback(wrong)  # type: ignore[arg-type]
        self.drained(handler)

    def test_c9_whatever_has_func_and_args_is_a_callback(self, handler: Handler) -> None:
        """Its class does not matter, because kazoo has a class of its own."""
        ran: list[int] = []
        handler.dispatch_callback(SimpleNamespace(func=ran.append, args=(1,)))
        self.drained(handler)
        assert ran == [1]
