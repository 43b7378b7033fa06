"""C9: what a handler of ``signal.signal`` may do."""

from __future__ import annotations

import pytest

from handler_core.testing._suite import Suite
from handler_core.testing._time_limits import LIMIT

__all__ = ["SignalTests"]

# What the program prepares, what its signal handler does then, and how it waits for that.
_WAYS = {
    "sets a result": ("result = handler.callback_object()", "result.set(1)", "result.get()"),
    "fails a result": (
        "result = handler.callback_object()",
        "result.set_exception(ValueError('as planned'))",
        "result.wait()",
    ),
    "links": (
        "result, event = handler.callback_object(), handler.event_object(); result.set()",
        "result.link(lambda _: event.set())",
        "event.wait()",
    ),
    "sets an event": ("event = handler.event_object()", "event.set()", "event.wait()"),
    "spawns": (
        "event, tasks = handler.event_object(), []",
        "tasks.append(handler.spawn(event.set))",
        "event.wait(); tasks[0].join()",
    ),
    "dispatches": (
        "event = handler.event_object()",
        "handler.dispatch_callback(Callback('signal', event.set, ()))",
        "event.wait()",
    ),
    "dispatches while a queue is empty": (
        "queue = handler.queue_impl()",
        "handler.dispatch_callback(Callback('signal', queue.put, (1,)))",
        f"queue.get(True, {LIMIT})",
    ),
}


class SignalTests(Suite):
    """C9: a signal handler may set, link, spawn and dispatch, and wakes whoever waits at once."""

    @pytest.mark.parametrize("way", _WAYS)
    def test_c9_a_signal_handler_wakes(self, way: str) -> None:
        """It does even where its thread sleeps, with nothing else to do.

        A signal that comes just before its thread falls asleep does not interrupt the sleep, and
        Python cannot call the signal handler yet. So the signal comes again until that is called.
        """
        make, act, wait = _WAYS[way]
        self.run_script(
            f"""
            import signal
            handler.start()
            for delay in (0.0001, 0.001, 0.01, 0.05):
                {make}
                def on_signal(*_):
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    {act}
                signal.signal(signal.SIGALRM, on_signal)
                signal.setitimer(signal.ITIMER_REAL, delay, 0.1)
                {wait}
            handler.stop()
            """
        )

    def test_c9_a_signal_handler_may_interrupt_a_wait_anywhere(self) -> None:
        """It sets an event at any point of a wait for that event, or of another set.

        Each signal sets the timer for the next one. On a machine under load, signals at a fixed
        rate may come faster than their handler runs, and interrupt it without end.
        """
        self.run_script(
            """
            import signal
            handler.start()
            event, arrived = handler.event_object(), []

            def on_signal(*_):
                arrived.append(1)
                event.set()
                signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.1)

            signal.signal(signal.SIGALRM, on_signal)
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.1)
            while len(arrived) < 300:
                event.wait()
                event.clear()
                event.set()
                event.clear()
            signal.setitimer(signal.ITIMER_REAL, 0)
            handler.stop()
            """
        )

    def test_c9_a_signal_handler_may_interrupt_a_set_anywhere(self) -> None:
        """It may set a result at the beginning of each function that a set of another one calls.

        Python calls signal handlers there.
        """
        self.run_script(
            f"""
            import sys

            def on_call(frame, what, _):
                global calls
                if what == "call" and frame.f_globals["__name__"].startswith("handler_core"):
                    calls += 1
                    if calls == number:
                        sys.setprofile(None)
                        other.set_exception(ValueError("as planned"))

            number = calls = 0
            while calls >= number:
                number, calls = number + 1, 0
                handler.start()
                result, other = handler.callback_object(), handler.callback_object()
                event = handler.event_object()
                result.link(lambda _: event.set())
                sys.setprofile(on_call)
                result.set()
                sys.setprofile(None)
                assert event.wait({LIMIT / 2}), number
                handler.stop()
            """
        )
