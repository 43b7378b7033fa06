"""What the tests need of each model: tasks, their outcomes, a ticking task, and a cancellation."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from handler_core import AsyncResult, Handler
from handler_core.testing import LONG

__all__ = ["CANCELS", "HANDLER", "LONG", "Ticker", "cancelled", "eventually", "in_task"]

HANDLER = os.environ.get("HANDLER_CORE_TEST_HANDLER", "threading")

#: Whether the model has a way to end a call from outside. Threads have none.
CANCELS = HANDLER != "threading"


def in_task(handler: Handler, func: Callable[..., Any], *args: Any) -> AsyncResult[Any]:
    """Run a function in a task of its own. Its outcome becomes the outcome of the result."""
    result = handler.async_result()

    def run() -> None:
        try:
            value = func(*args)
        except Exception as exception:
            result.set_exception(exception)
        else:
            result.set(value)

    handler.spawn(run)
    return result


def eventually(handler: Handler, condition: Callable[[], bool]) -> None:
    """Wait for a condition that nothing signals: look again and again."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        handler.sleep_func(0.01)


class Ticker:
    """A task that counts, as often as the others let it run."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._stopped = False
        self.ticks = 0
        self._ended = in_task(handler, self._run)

    def _run(self) -> None:
        while not self._stopped:
            self.ticks += 1
            self._handler.sleep_func(0.005)

    def stop(self) -> None:
        self._stopped = True
        self._ended.get(timeout=LONG)


def cancelled(handler: Handler, seconds: float, func: Callable[[], object]) -> bool:
    """Call a function in a task that the model's own time-out cancels.

    Return True if the time-out came first. What the function raises by itself is raised here.
    """
    return bool(in_task(handler, _WITHIN[handler.name], handler, seconds, func).get(timeout=LONG))


def _within_gevent(handler: Handler, seconds: float, func: Callable[[], object]) -> bool:
    import gevent

    timeout = gevent.Timeout(seconds)
    timeout.start()
    try:
        func()
    except gevent.Timeout as raised:
        if raised is not timeout:
            raise
        return True
    finally:
        timeout.close()
    return False


def _within_eventlet(handler: Handler, seconds: float, func: Callable[[], object]) -> bool:
    import eventlet

    timeout = eventlet.Timeout(seconds)
    try:
        func()
    except eventlet.Timeout as raised:
        if raised is not timeout:
            raise
        return True
    finally:
        timeout.cancel()
    return False


def _within_asyncio(handler: Handler, seconds: float, func: Callable[[], object]) -> bool:
    import asyncio

    async def call() -> bool:
        try:
            async with asyncio.timeout(seconds) as scope:
                await handler.call(func)
        except TimeoutError:
            if not scope.expired():
                raise
            return True
        return False

    return _awaited(handler, call)


def _within_trio(handler: Handler, seconds: float, func: Callable[[], object]) -> bool:
    import trio

    async def call() -> bool:
        with trio.move_on_after(seconds) as scope:
            await handler.call(func)
        return scope.cancelled_caught

    return _awaited(handler, call)


def _awaited(handler: Handler, func: Callable[[], Any]) -> bool:
    """Call a coroutine function where the caller blocks."""
    result = handler.async_result()

    async def run() -> None:
        try:
            result.set(await func())
        except Exception as exception:
            result.set_exception(exception)

    handler.spawn(run)
    return bool(result.get(timeout=LONG))


_WITHIN = {
    "gevent": _within_gevent,
    "eventlet": _within_eventlet,
    "asyncio": _within_asyncio,
    "trio": _within_trio,
}
