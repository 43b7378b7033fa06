"""C9: what a handler of ``signal.signal`` may do."""

from __future__ import annotations

import pytest

from handler_core.testing._suite import Suite

__all__ = ["SignalTests"]

# What a signal handler does so that `woken` becomes ready, and how the program waits for that.
_WAYS = {
    "sets a result": ("result = handler.callback_object()", "result.set(1)", "result.get()"),
    "fails a result": (
        "result = handler.callback_object()",
        "result.set_exception(ValueError('as planned'))",
        "result.wait()",
    ),
    "sets an event": ("event = handler.event_object()", "event.set()", "event.wait()"),
    "spawns": ("event = handler.event_object()", "handler.spawn(event.set)", "event.wait()"),
    "dispatches": (
        "event = handler.event_object()",
        "handler.dispatch_callback(Callback('signal', event.set, ()))",
        "event.wait()",
    ),
}


class SignalTests(Suite):
    """C9: a signal handler may set, spawn and dispatch, and wakes whoever waits at once."""

    @pytest.mark.parametrize("way", _WAYS)
    def test_c9_a_signal_handler_wakes(self, way: str) -> None:
        """It does even where its thread sleeps, with nothing else to do."""
        make, act, wait = _WAYS[way]
        self.run_script(
            f"""
            import signal
            handler.start()
            for delay in (0.0001, 0.001, 0.01, 0.1):
                {make}
                signal.signal(signal.SIGALRM, lambda *_: {act})
                signal.setitimer(signal.ITIMER_REAL, delay)
                {wait}
            handler.stop()
            """
        )

    def test_c9_a_signal_handler_may_interrupt_a_wait_anywhere(self) -> None:
        """It sets an event at any point of a wait for that event, or of another set."""
        self.run_script(
            """
            import signal
            handler.start()
            event, arrived = handler.event_object(), []

            def on_signal(*_):
                arrived.append(1)
                event.set()

            signal.signal(signal.SIGALRM, on_signal)
            signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
            while len(arrived) < 1000:
                event.wait()
                event.clear()
                event.set()
                event.clear()
            signal.setitimer(signal.ITIMER_REAL, 0)
            handler.stop()
            """
        )
