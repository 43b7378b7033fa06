"""C21: timers at start and stop, at fork and exit, and in a signal handler."""

from __future__ import annotations

import gc
import os
import weakref

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite, calling
from handler_core.testing._time_limits import LIMIT, LONG

__all__ = ["TimersAndStopTests"]


class TimersAndStopTests(Suite):
    """C21: timers at start and stop, at fork and exit, and in a signal handler."""

    def test_c21_set_before_start(self, idle: Handler) -> None:
        """It is called once the handler runs. Its time counts from when it was set."""
        ran: list[str] = []
        done = idle.event_object()
        idle.call_later(0.02, done.set)
        idle.call_later(0.01, ran.append, "ran")
        assert not done.wait(0.04)
        assert ran == []
        idle.start()
        self.happens(done)
        assert ran == ["ran"]

    def test_c21_stop_drops_what_is_pending(self, handler: Handler) -> None:
        """It counts as cancelled. What is set after the stop waits for the next start."""
        ran: list[str] = []
        done = handler.event_object()
        dropped = handler.call_later(LONG, ran.append, "dropped")
        handler.stop()
        assert dropped.cancel() is False
        handler.call_later(0.01, ran.append, "kept")
        handler.call_later(0.06, done.set)
        assert not done.wait(0.08)
        assert ran == []
        handler.start()
        self.happens(done)
        assert ran == ["kept"]

    def test_c21_stop_waits_for_the_function_that_runs(self, handler: Handler) -> None:
        """Links of what it sets run before ``stop`` returns."""
        ran: list[str] = []
        begun, gate = handler.event_object(), handler.event_object()
        result = handler.async_result()
        result.link(calling(ran.append, "link"))

        def block() -> None:
            begun.set()
            gate.wait(LONG)
            ran.append("function")
            result.set()

        def stop() -> None:
            handler.stop()
            ran.append("stop returned")

        handler.call_later(0, block)
        self.happens(begun)
        stopper = handler.spawn(stop)
        handler.sleep_func(0.02)
        assert ran == []
        gate.set()
        self.ended(stopper)
        assert ran == ["function", "link", "stop returned"]
        assert not handler.running

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c21_deadlines_come_while_stop_drains(self, handler: Handler, linked: bool) -> None:
        """A callback or link that still runs may wait for one. So ``stop`` does not hang."""
        ran: list[str] = []
        begun, gate = handler.event_object(), handler.event_object()
        before = handler.async_result()
        handler.call_later(0.05, before.set, "set before")

        def wait() -> None:
            begun.set()
            gate.wait(LONG)
            ran.append(before.get(timeout=LONG))
            during = handler.async_result()
            handler.call_later(0.01, during.set, "set during")
            ran.append(during.get(timeout=LONG))

        self.queue(handler, linked, wait)
        self.happens(begun)
        stopper = handler.spawn(handler.stop)
        gate.set()
        self.ended(stopper)
        assert ran == ["set before", "set during"]

    def test_c21_stop_from_a_timer(self, handler: Handler) -> None:
        """It returns, as from a callback. What was dispatched before still runs."""
        ran: list[str] = []
        done = handler.event_object()

        def stop() -> None:
            self.dispatch(handler, ran.append, "callback")
            handler.stop()
            done.set()

        dropped = handler.call_later(LONG, ran.append, "dropped")
        handler.call_later(0, stop)
        self.happens(done)
        handler.stop()
        assert ran == ["callback"]
        assert not handler.running
        assert dropped.cancel() is False

    def test_c21_start_during_the_drain(self, handler: Handler) -> None:
        """Then nothing is dropped."""
        begun, gate = handler.event_object(), handler.event_object()
        done = handler.event_object()
        timer = handler.call_later(LONG, done.set)

        def block() -> None:
            begun.set()
            gate.wait(LONG)

        self.dispatch(handler, block)
        self.happens(begun)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        handler.start()
        gate.set()
        self.ended(stopper)
        assert timer.cancel()
        handler.call_later(0, done.set)
        self.happens(done)

    def test_c21_again_and_again(self, handler: Handler) -> None:
        """A restarted handler has timers again."""
        for _ in range(20):
            done = handler.event_object()
            handler.call_later(LONG, done.clear)
            handler.call_later(0, done.set)
            self.happens(done)
            handler.stop()
            handler.start()

    def test_c21_a_handler_with_timers_is_freed(self) -> None:
        """So is what a timer refers to that was dropped."""

        def live() -> list[weakref.ref[object]]:
            handler = self.make_handler()
            done, dropped = handler.event_object(), handler.event_object()
            handler.call_later(LONG, dropped.set)
            handler.call_later(0, done.set)
            handler.start()
            self.happens(done)
            handler.stop()
            return [weakref.ref(handler), weakref.ref(dropped)]

        freed = live()
        gc.collect()
        assert [ref() for ref in freed] == [None, None]

    def test_c21_the_interpreter_exits(self) -> None:
        """Timers keep no program alive, and those that are pending then are not called."""
        printed = self.run_script(
            f"""
            handler.start()
            done = handler.event_object()
            handler.call_later({LONG}, print, "never")
            handler.call_later(0, done.set)
            assert done.wait({LIMIT / 2})
            """
        )
        assert printed == ""

    @pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt"])
    def test_c21_what_ends_a_program(self, name: str) -> None:
        """The exception goes where the model sends that of a task. The next timer is called."""
        printed = self.run_script(
            f"""
            import threading
            delivered = []
            # Threads send it here.
            threading.excepthook = lambda args: delivered.append(args.exc_value)
            error = {name}("as planned")
            def fail():
                raise error
            handler.start()
            handler.call_later(0, fail)
            while not delivered:
                try:
                    handler.sleep_func(0.01)
                except {name} as caught:  # green threads send it to the main one
                    delivered.append(caught)
            assert delivered == [error], delivered
            done = handler.event_object()
            handler.call_later(0, done.set)
            assert done.wait({LIMIT / 2})
            handler.stop()
            print("stopped")
            """
        )
        assert printed == "stopped\n"

    def test_c21_a_signal_handler_may_set_one(self) -> None:
        """It does even where its thread sleeps, with nothing else to do."""
        self.run_script(
            f"""
            import signal
            handler.start()
            for delay in (0.0001, 0.001, 0.01, 0.05):
                event = handler.event_object()
                def on_signal(*_):
                    signal.setitimer(signal.ITIMER_REAL, 0)
                    handler.call_later({LONG}, print).cancel()
                    handler.call_later(0.001, event.set)
                signal.signal(signal.SIGALRM, on_signal)
                signal.setitimer(signal.ITIMER_REAL, delay, 0.1)
                event.wait()
            handler.stop()
            """
        )

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
    def test_c21_a_forked_child_has_none(self) -> None:
        """What the parent has set is called in the parent only. The child may set its own."""
        printed = self.run_script(
            f"""
            import os
            ran = []
            handler.start()
            done = handler.event_object()
            pids = []
            def fork():  # in a timer, so none is called between these two lines
                parents = handler.call_later(0.05, ran.append, "parent's")
                pids.append(os.fork())
                if pids[0] == 0:
                    status = 1
                    try:
                        handler.start()
                        theirs = handler.event_object()
                        handler.call_later(0.01, ran.append, "child's")
                        handler.call_later(0.06, theirs.set)
                        assert theirs.wait({LIMIT / 3})
                        assert not parents.cancel()
                        handler.stop()
                        assert ran == ["child's"], ran
                        status = 0
                    finally:
                        os._exit(status)
                done.set()
            handler.call_later(0.01, fork)
            assert done.wait({LIMIT / 2})
            assert exit_status(pids[0]) == 0
            done.clear()
            handler.call_later(0.06, done.set)
            assert done.wait({LIMIT / 2})
            handler.stop()
            print(ran)
            """
        )
        assert printed == '["parent\'s"]\n'
