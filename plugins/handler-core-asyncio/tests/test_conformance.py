"""The contract: on the private loop, inside ``asyncio.run``, with uvloop, and in patched processes.

A process that gevent or eventlet has patched gets no private loop. What needs one there is refused.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asyncio_process import PATCHED_BY, AsyncioProcess

from handler_core import Handler
from handler_core.testing import HandlerConformance, OSThread


class TestAsyncio(AsyncioProcess, HandlerConformance):
    if PATCHED_BY:

        def test_c1_any_thread_may_be_the_home(self, idle: Handler) -> None:
            """A thread that runs no loop may not."""
            self.refused_in_a_thread(idle, idle.start)

        def test_c1_a_thread_that_started_the_handler_may_end(self, idle: Handler) -> None:
            """A thread that runs no loop starts none."""
            self.refused_in_a_thread(idle, idle.start)

        def test_c20_spawn_from_any_thread(self, idle: Handler) -> None:
            """A thread that runs no loop may spawn tasks in the loop of the last start."""
            self.refused_in_a_thread(idle, lambda: idle.spawn(int))
            idle.start()
            task = self.os_thread(idle.spawn, idle.sleep_func, 0.01).result(idle)
            self.ended(task)

        def home_thread(self, handler: Any, func: Callable[[], Any]) -> OSThread:
            """The home runs a loop."""
            return self.os_thread(lambda: asyncio.run(handler.call(func)))

    def refused_in_a_thread(self, handler: Handler, func: Callable[[], object]) -> None:
        thread = self.os_thread(func)
        with pytest.raises(RuntimeError, match="no event loop runs in this thread"):
            thread.result(handler)
