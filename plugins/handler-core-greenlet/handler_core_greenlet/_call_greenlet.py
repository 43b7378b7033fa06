"""A greenlet that calls blocking functions for a coroutine.

The function runs as a part of the task that awaits the call. So the library of the loop takes that
task for the running one (``asyncio.current_task()``) wherever the function runs, and not before its
first wait only. What the function has awaited, is awaited by the coroutine itself, in its own task.
And a cancellation of the task is raised in the function, see
:mod:`handler_core_greenlet._cancellation`.
"""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import greenlet  # type: ignore[import-untyped]

from handler_core.green import FreezableTask, is_frozen
from handler_core_greenlet._cancellation import Cancellation
from handler_core_greenlet._context_steps import in_context
from handler_core_greenlet._hub import LoopHub, TaskGreenlet

__all__ = ["CallGreenlet"]


class CallGreenlet:
    """Calls one function after the other, all in one greenlet. Only the loop's thread uses it.

    It is one greenlet so that a lock which one call takes belongs to the next one too, which can
    release it.
    """

    def __init__(self, hub: LoopHub) -> None:
        #: True while it calls no function, and while the coroutine must do something for it.
        self.idle = True
        #: True if the last call has ended without an exception.
        self.succeeded = False
        #: The loop's thread calls this when the greenlet is idle again.
        self.on_idle: Callable[[], object] | None = None
        self._hub = hub
        # Made by the first call. This may be another greenlet than the loop's, and in the context
        # of another task than the one that calls.
        self._greenlet: Any = None
        self._func: Callable[[], object] | None = None
        self._last = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._cancellation: Cancellation
        # True once nobody awaits the call any more.
        self._abandoned = False
        # The task of the loop's library that awaits the call, and the one that ran when the
        # greenlet was last resumed.
        self._task: Any = None
        self._outside: Any = None
        # What the coroutine is to await for the function.
        self._wanted: Coroutine[Any, Any, Any] | None = None

    # The side of the coroutine.

    async def call(self, func: Callable[[], object], *, last: bool, shielded: bool = False) -> Any:
        """Call ``func``; return what it returns, or raise what it raises. See :meth:`begin`."""
        self.begin(func, last=last, shielded=shielded)
        while True:
            if not self.idle:
                await self._hub.wait_until_idle(self)
            if self._wanted is None:
                return self.outcome()
            await self._await_wanted(self._wanted)

    def begin(self, func: Callable[[], object], *, last: bool, shielded: bool = False) -> None:
        """Call ``func`` at once; return when it has ended or has parked.

        If the caller is a greenlet that may park (an eager task may run in one), the loop calls
        ``func`` soon instead.

        Args:
            func: the function to call.
            last: whether the greenlet ends after this call. It always ends if ``func`` raises. A
                greenlet that waits for its next function refers to itself by its stack, so it is
                never collected.
            shielded: whether a cancellation of the caller waits until ``func`` has ended.
        """
        if self._greenlet is None:
            run: Callable[[], object] = self._run
            if isinstance(func, FreezableTask):
                run, func = func, func.replace(run)
            self._greenlet = TaskGreenlet(self._hub, run)
            self._greenlet.call = self
        self._last = last
        self._func = func
        self._value = self._error = None
        self._cancellation = Cancellation(shielded)
        self._task = self._outside = self._hub.running_task()
        self.idle = self.succeeded = False
        if self._hub.may_park(greenlet.getcurrent()):
            self._outside = None
        self._resume(self._greenlet.switch)

    def is_frozen(self) -> bool:
        """Return True in a forked child, if the function is the parent's and stands still."""
        return is_frozen(self._greenlet)

    def keeps_cancellations(self) -> bool:
        """Return True if :meth:`cancel` would only keep what it is given."""
        kept = self.idle or self._func is not None or self._cancellation.keeps()
        return kept and not self.is_frozen()

    def is_shielded(self) -> bool:
        """Return True if a cancellation waits until the function has ended."""
        return self._cancellation.shielded

    def cancel(self, error: BaseException) -> None:
        """Raise ``error`` where the function is parked, or keep it for later.

        It is kept while the function may not be disturbed, has not begun, or has ended.
        """
        if self.keeps_cancellations():
            self._cancellation.keep(error)
        else:
            self._cancellation.is_raised(error)
            self._resume(functools.partial(self._greenlet.throw, error))

    def kill(self) -> None:
        """End the function where it is parked, when the loop next turns. From any thread."""
        self._abandoned = True
        self._task = None
        self._hub.call(self._greenlet.throw)

    def outcome(self) -> Any:
        """Return what the function has returned, or raise what it has raised.

        A cancellation that was kept is raised instead, unless the function has raised one.
        """
        error, self._error = self._error, None
        kept = self._cancellation.take_kept()
        if error is None and kept is None:
            return self._value
        try:
            if isinstance(error, StopIteration):
                raise RuntimeError(
                    "what was called has raised StopIteration, which may not leave a coroutine: "
                    "for the items of an iterator, write `async for item in "
                    "handler.iterating(iterator)`"
                ) from error
            if error is not None and (kept is None or isinstance(error, self._hub.cancelled_error)):
                raise error
            assert kept is not None
            _raise_in_the_midst(kept, error)
        finally:
            # Without this the exceptions would refer to themselves, by this frame.
            del self, error, kept

    async def _await_wanted(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Await what the function wants, and go on with the function."""
        self._wanted = None
        kept = self._cancellation.take_kept()
        try:
            if kept is not None:
                coroutine.close()
                raise kept
            resume = functools.partial(self._greenlet.switch, await coroutine)
        except GeneratorExit:
            self.kill()
            raise
        except BaseException as error:
            if isinstance(error, self._hub.cancelled_error):
                self._cancellation.is_raised(error)
            resume = functools.partial(self._greenlet.throw, error)
        self.idle = False
        try:
            self._resume(resume)
        finally:
            del kept, resume

    def _resume(self, switch: Callable[[], object]) -> None:
        if self._hub.may_park(greenlet.getcurrent()):
            self._hub.call_soon(switch)
        else:
            switch()

    # The side of the greenlet.

    def park(self) -> Any:
        """Switch to the loop; return what it switches back with. Called in the greenlet.

        Raises:
            BaseException: a cancellation of the caller that was kept until now.
        """
        self.before_wait()
        return self._switch_to_loop()

    def before_wait(self) -> None:
        """Raise a cancellation of the caller that was kept until now. Called in the greenlet."""
        if self._cancellation.raised:
            self._cancellation.before_wait()

    def leave_task(self) -> None:
        """Take the caller's task for the running one no longer. Called in the greenlet.

        The greenlet is about to go on in the loop in a way of its own, and to come back in one.
        """
        if self._outside is not self._task:
            self._hub.swap_task(self._outside)
            self._outside = self._task

    def _switch_to_loop(self) -> Any:
        if self._outside is not self._task:
            self._hub.swap_task(self._outside)
        try:
            return self._greenlet.parent.switch()
        finally:
            self._outside = self._hub.swap_task(self._task)

    def await_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Have a coroutine awaited; return or raise what it does. Called in the greenlet.

        The coroutine that awaits this call awaits it, in its own task, but with the context
        variables of the function. If the function may not be disturbed, neither may what it awaits.
        Then the coroutine gets a task of its own, which nobody cancels.
        """
        try:
            self._cancellation.before_wait()
        except BaseException:
            coroutine.close()  # or Python would warn that it was never awaited
            raise
        if self._abandoned or self._cancellation.keeps():
            return self._hub.run_coroutine(coroutine)
        try:
            return self.hand_over(in_context(contextvars.copy_context(), coroutine))
        except BaseException:
            coroutine.close()
            raise

    def hand_over(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Have the caller's task await a coroutine; return or raise what it does.

        A cancellation of the task is raised in ``coroutine``. Called in the greenlet.
        """
        self._wanted = coroutine
        self._set_idle()
        try:
            return self._switch_to_loop()
        except BaseException:
            coroutine.close()
            raise

    def _run(self) -> None:
        while self._func is not None:
            if self._outside is not self._task:
                self._hub.swap_task(self._task)
            func, self._func = self._func, None
            try:
                if self._cancellation.kept is not None:  # it was cancelled before it has begun
                    self._cancellation.before_wait()
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
            if self._outside is not self._task:
                self._hub.swap_task(self._outside)
            self._task = self._outside = None
            self._cancellation.raised.clear()  # they refer to this frame, and so to themselves
            self._set_idle()
            if self._last:
                break
            self._greenlet.parent.switch()
        self._greenlet.call = None

    def _set_idle(self) -> None:
        self.idle = True
        if self.on_idle is not None and self._hub.is_mine():  # else the loop has ended
            self.on_idle()


def _raise_in_the_midst(kept: BaseException, error: BaseException | None) -> NoReturn:
    """Raise ``kept``, with ``error`` as its context if there is one."""
    try:
        if error is not None:
            raise error
    finally:
        try:
            raise kept
        finally:
            del error, kept
