"""The contract, kept by the threading handler in a process that gevent has patched.

Here a thread of the operating system is what the patched process calls a thread.
"""

import threading
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent_process import PATCHED, GeventProcess

from handler_core import Handler, capture_exceptions
from handler_core.testing import HandlerConformance

assert PATCHED


class TestThreading(HandlerConformance):
    handler_name = "threading"
    prelude = GeventProcess.prelude

    def in_hub(self, handler: Handler, func: Callable[[], Any]) -> Any:
        """Have the hub itself call a function, as a signal handler may; return what it returns."""
        result = handler.async_result()
        gevent.get_hub().loop.run_callback(capture_exceptions(result)(lambda: result.set(func())))
        return self.got(result)

    def test_the_hub_itself_may_not_wait(self, handler: Handler) -> None:
        gate = handler.event_object()
        self.dispatch(handler, gate.wait)
        for wait in (handler.async_result().get, gate.wait, handler.stop):
            with pytest.raises(RuntimeError, match=r"would block the hub.*handler\.spawn"):
                self.in_hub(handler, wait)
        assert handler.running
        gate.set()

    def test_the_hub_itself_spawns(self, handler: Handler) -> None:
        ran: list[str] = []
        gate = handler.event_object()

        def work() -> None:
            gate.wait()
            ran.append(threading.current_thread().name)

        def spawn() -> Any:
            task = handler.spawn(work)
            assert task.is_alive()
            return task

        self.dispatch(handler, ran.append, "dispatched")
        self.drained(handler)
        spawned = self.in_hub(handler, spawn)
        spawned.join(0.001)
        assert spawned.is_alive()
        gate.set()
        self.ended(spawned)
        assert ran == ["dispatched", spawned.name]
