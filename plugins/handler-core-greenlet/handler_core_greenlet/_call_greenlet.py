"""A greenlet that calls blocking functions for a coroutine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import greenlet  # type: ignore[import-untyped]

from handler_core.green import is_frozen
from handler_core_greenlet._hub import LoopHub, TaskGreenlet

__all__ = ["CallGreenlet"]


class CallGreenlet:
    """Calls one function after the other, all in one greenlet. Only the loop's thread uses it.

    It is one greenlet so that a lock which one call takes belongs to the next one too, which can
    release it.
    """

    def __init__(self, hub: LoopHub) -> None:
        #: True while it calls no function.
        self.idle = True
        #: True if the last call has ended without an exception.
        self.succeeded = False
        #: The loop's thread calls this when the greenlet is idle again.
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
            await self._hub.wait_until_idle(self)
        return self.outcome()

    def begin(self, func: Callable[[], object], *, last: bool) -> None:
        """Call ``func`` at once; return when it has ended or has parked.

        If the caller is a greenlet that may park (an eager task may run in one), the loop calls
        ``func`` soon instead.

        Args:
            func: the function to call.
            last: whether the greenlet ends after this call. It always ends if ``func`` raises. A
                greenlet that waits for its next function refers to itself by its stack, so it is
                never collected.
        """
        self._last = last
        self._func = func
        self._value = self._error = None
        self.idle = self.succeeded = False
        if self._hub.may_park(greenlet.getcurrent()):
            self._hub.call_soon(self._greenlet.switch)
        else:
            self._greenlet.switch()

    def is_frozen(self) -> bool:
        """Return True in a forked child, if the function is the parent's and stands still."""
        return is_frozen(self._greenlet)

    def throw(self, exception: BaseException) -> None:
        """Raise an exception where the function is parked."""
        self._greenlet.throw(exception)

    def kill(self) -> None:
        """End the function where it is parked, when the loop next turns. From any thread."""
        self._hub.call(self._greenlet.throw)

    def outcome(self) -> Any:
        """Return what the function has returned, or raise what it has raised."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                # Without this the exception would refer to itself, by this frame.
                del self, error
        return self._value

    def _run(self) -> None:
        while self._func is not None:
            func, self._func = self._func, None
            try:
                self._value = func()
                self.succeeded = True
            except BaseException as error:
                if self._hub.is_forked():
                    raise  # the coroutine that would get it is the parent's
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
