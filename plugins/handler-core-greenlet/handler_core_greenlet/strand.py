"""A greenlet that calls functions for somebody who cannot block: a coroutine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import greenlet  # type: ignore[import-untyped]

from handler_core_greenlet.hub import LoopHub, TaskGreenlet

__all__ = ["Strand"]


class Strand:
    """Calls one function after the other, all in one greenlet. To be used in the loop itself.

    One greenlet, so that a lock which one call takes is the next one's to release.
    """

    def __init__(self, hub: LoopHub) -> None:
        #: True while there is nothing that it calls.
        self.idle = True
        #: True if the last call has ended without an exception.
        self.succeeded = False
        #: Is called, in the loop's thread, when it is idle again.
        self.on_idle: Callable[[], object] | None = None
        self._hub = hub
        self._greenlet = TaskGreenlet(hub, self._run)
        self._func: Callable[[], object] | None = None
        self._last = False
        self._value: Any = None
        self._error: BaseException | None = None

    async def call(self, func: Callable[[], object], *, last: bool) -> Any:
        """Call ``func``; return what it returns, or raise what it raises. See :meth:`begin`."""
        self.begin(func, last=last)
        if not self.idle:
            await self._hub.until_idle(self)
        return self.outcome()

    def begin(self, func: Callable[[], object], *, last: bool) -> None:
        """Call ``func``, at once; return when it has ended, or has parked.

        From a greenlet that may itself park, which an eager task may run in: call it soon.

        Args:
            func: what to call.
            last: whether the greenlet ends with it. It always does if ``func`` raises. One that
                waits for the next function refers to itself by its stack, and is never collected.
        """
        self._last = last
        self._func = func
        self._value = self._error = None
        self.idle = self.succeeded = False
        if self._hub.may_park(greenlet.getcurrent()):
            self._hub.call_soon(self._greenlet.switch)
        else:
            self._greenlet.switch()

    def throw(self, exception: BaseException) -> None:
        """Raise an exception where the function is parked."""
        self._greenlet.throw(exception)

    def kill(self) -> None:
        """End the function where it is parked, as soon as the loop turns. From any thread."""
        self._hub.call(self._greenlet.throw)

    def outcome(self) -> Any:
        """Return what the function has returned, or raise what it has raised."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del self, error  # or the exception would refer to itself by this frame
        return self._value

    def _run(self) -> None:
        while self._func is not None:
            func, self._func = self._func, None
            try:
                self._value = func()
                self.succeeded = True
            except BaseException as error:
                if self._hub.is_forked():
                    raise  # nobody is left to get it
                self._error = error
                self._last = True
            del func
            if self._hub.is_forked():
                return
            self.idle = True
            if self.on_idle is not None and self._hub.is_mine():  # else the loop has ended
                self.on_idle()
            if self._last:
                return
            greenlet.getcurrent().parent.switch()
