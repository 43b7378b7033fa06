"""What a handler does with coroutine functions: the callbacks, and what blocking functions call."""

from __future__ import annotations

import contextlib
import contextvars
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import greenlet  # type: ignore[import-untyped]

from handler_core.execution import AsyncResult
from handler_core.green import GreenHandler, GreenTask
from handler_core_greenlet._blocking_function import blocking_call
from handler_core_greenlet._hub import LoopHub

__all__ = ["CoroutineCallbacks"]


class CoroutineCallbacks(GreenHandler):
    """A handler that awaits the coroutines of its callbacks."""

    #: The class of the hub, which is the loop as greenlets use it.
    hub_class: ClassVar[type[LoopHub]]

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> GreenTask:
        """Run ``func(*args, **kwargs)`` in a greenlet; see :meth:`GreenHandler.spawn`.

        ``func`` may be a coroutine function. Coroutine functions among the arguments are handed on
        as :meth:`LoopHandler.call` does it.
        """
        call = blocking_call(func, args, kwargs, self.await_coroutine)
        return super().spawn(self._end_quietly, call)

    def _end_quietly(self, func: Callable[[], object]) -> None:
        """Call a function. A cancellation ends it without a word, as it ends a task of the loop."""
        with contextlib.suppress(self.hub_class.cancelled_error):
            func()

    def finish_callback(self, outcome: object) -> None:
        """Await what a callback has returned, if it is a coroutine.

        One that is cancelled says nothing, as a task of the loop's library does. The loop itself
        calls the links of a stopped handler's results. It cannot wait, so it only starts the
        coroutine.
        """
        if outcome is None or not isinstance(outcome, Coroutine):
            return
        hub = self.hub_class.current()
        if hub is not None and not hub.may_park(greenlet.getcurrent()):
            func = functools.partial(hub.await_coroutine, outcome)
            self.begin_task(hub, functools.partial(self._end_quietly, func))
        else:
            self._end_quietly(functools.partial(self.await_coroutine, outcome))

    def await_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await a coroutine where the caller blocks; return or raise what it does.

        In a greenlet or in a thread without a loop.

        Raises:
            RuntimeError: the caller is the event loop itself, which may not wait.
        """
        hub = self.hub_class.current()
        if hub is None:
            return self._await_in_loop(coroutine)
        if not hub.may_park(greenlet.getcurrent()):
            coroutine.close()  # or Python would warn that it was never awaited
            name = getattr(coroutine, "__qualname__", repr(coroutine))
            raise RuntimeError(
                f"{name} is a coroutine function. handler.call or handler.spawn has handed it to a "
                "function that blocks, as a function that blocks too. But now the event loop has "
                "called it, which may not wait. To hand a coroutine function on as it is, write "
                "handler.call(lambda: func(coroutine_function))"
            )
        if not self.in_callback():
            return hub.await_coroutine(coroutine)
        callback = _CoroutineCallback(self)
        token = _current_callback.set(callback)
        try:
            return hub.await_coroutine(coroutine)
        finally:
            callback.handler = None
            _current_callback.reset(token)

    def _await_in_loop(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Have a loop await a coroutine, and wait for its end, in a thread that runs no loop."""
        hub = self.hub_for_tasks()
        assert isinstance(hub, LoopHub)
        result: AsyncResult[Any] = AsyncResult(self)

        def run() -> None:
            try:
                result.set(hub.await_coroutine(coroutine))
            except BaseException as error:
                result.set_exception(error)

        hub.call_soon_threadsafe(functools.partial(self.begin_task, hub, run))
        return result.get()

    def in_callback(self) -> bool:
        """Return True if the caller is one of this handler's own callbacks."""
        callback = _current_callback.get()
        return super().in_callback() or (callback is not None and callback.handler is self)


class _CoroutineCallback:
    """A coroutine that the loop runs in a task, while a worker waits for it.

    A context variable marks the code that the callback runs. What that code starts inherits the
    context and may outlive the callback. Then it no longer counts as a part of it.
    """

    def __init__(self, handler: CoroutineCallbacks) -> None:
        #: The handler that runs the callback; None when it has ended.
        self.handler: CoroutineCallbacks | None = handler


_current_callback: contextvars.ContextVar[_CoroutineCallback | None] = contextvars.ContextVar(
    "_current_callback", default=None
)
