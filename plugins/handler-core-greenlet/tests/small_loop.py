"""A model on a small loop of its own, in a daemon thread. It has only what the bridge asks for.

The model keeps the contract. That shows that the bridge contains nothing of asyncio's.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from handler_core_greenlet import AwaitedCall, LoopHandler, LoopHub, PrivateLoop, running_hub

import handler_core
from handler_core import HandlerTimeoutError, hookimpl, inherit_hook
from handler_core.execution import report_error


class SmallCancelled(BaseException):
    """A library of coroutines would cancel them by an exception such as this."""


class SmallHub(LoopHub):
    """The loop and its hub."""

    cancelled_error = SmallCancelled

    def __init__(self) -> None:
        super().__init__()
        self._running = False
        self._ready: deque[Callable[[], object]] = deque()
        self._timers: list[tuple[float, int, Callable[[], object]]] = []
        self._cancelled: set[int] = set()
        self._numbers = itertools.count()
        self._selector = selectors.DefaultSelector()
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._ringer.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ, self._stop_ringing)

    def run(self) -> None:
        self._running = True
        while True:
            for _ in range(len(self._ready)):
                self._call(self._ready.popleft())
            timeout = None
            if self._ready:
                timeout = 0.0
            elif self._timers:
                timeout = max(0, self._timers[0][0] - time.monotonic())
            for key, _ in self._selector.select(timeout):
                self._call(key.data)
            while self._timers and self._timers[0][0] <= time.monotonic():
                _, number, func = heapq.heappop(self._timers)
                if number in self._cancelled:
                    self._cancelled.discard(number)
                else:
                    self._call(func)

    def _call(self, func: Callable[[], object]) -> None:
        try:
            func()
        except BaseException as error:
            report_error(error)

    def _stop_ringing(self) -> None:
        self._bell.recv(1000)

    @classmethod
    def current(cls) -> LoopHub | None:
        return running_hub()

    def is_running(self) -> bool:
        return self._running

    def call_soon(self, func: Callable[[], object]) -> None:
        self._ready.append(func)

    def call_soon_threadsafe(self, func: Callable[[], object]) -> None:
        self._ready.append(func)
        with contextlib.suppress(BlockingIOError):  # it rings already
            self._ringer.send(b"x")

    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        number = next(self._numbers)
        heapq.heappush(self._timers, (time.monotonic() + seconds, number, func))

        def cancel() -> None:
            if any(timer[1] == number for timer in self._timers):
                self._cancelled.add(number)

        return cancel

    def add_reader(self, fd: int, func: Callable[[], object]) -> Callable[[], None]:
        self._selector.register(fd, selectors.EVENT_READ, func)
        return lambda: self._selector.unregister(fd) and None

    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return drive(coroutine)

    async def wait_until_idle(self, call: AwaitedCall) -> None:
        raise NotImplementedError("this loop has no coroutines that wait")

    def getaddrinfo(self, *args: Any) -> Sequence[Any]:
        return socket.getaddrinfo(*args)


def drive(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end. It may not wait: this loop has nothing to await."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("it waits")


def run_private_loop(begun: Callable[[LoopHub], None]) -> None:
    hub = SmallHub()
    hub.call_soon(lambda: begun(hub))
    hub.run()


class AsyncResult(handler_core.AsyncResult[Any]):
    __slots__ = ()


class SmallTimeoutError(HandlerTimeoutError):
    pass


class SmallHandler(LoopHandler):
    name = "small"
    timeout_exception = SmallTimeoutError

    hub_class = SmallHub
    private_loop = PrivateLoop("small loop", run_private_loop)

    start = inherit_hook(LoopHandler.start)
    stop = inherit_hook(LoopHandler.stop)
    dispatch_callback = inherit_hook(LoopHandler.dispatch_callback)

    @hookimpl
    def select(
        self,
        rlist: Sequence[Any],
        wlist: Sequence[Any],
        xlist: Sequence[Any],
        timeout: float | None,
    ) -> tuple[list[Any], list[Any], list[Any]]:
        return self.select_in_hub(rlist, wlist, xlist, timeout)

    @hookimpl
    def callback_object(self) -> AsyncResult:
        return AsyncResult(self)


AsyncResult.detached = SmallHandler()
