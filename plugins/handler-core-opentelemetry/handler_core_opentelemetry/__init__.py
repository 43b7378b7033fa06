"""A span for each callback that a handler runs, in the context in which it was dispatched.

A callback belongs to the request that dispatched it, but it runs in a worker, which has another
context. So the wrapper remembers the OpenTelemetry context (the current span and the baggage) at
the dispatch, and makes it current again while the callback runs. A linked callback is not
dispatched. It belongs to the request of its result, and gets the context in which that result was
made.

An error in tracing never stops a callback. If a sampler or a span processor fails, the wrapper logs
it, and the callback runs.

A fork copies the callbacks that are running. Their spans began in the parent, and end only there.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import time
import weakref
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

import importlib_metadata
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider

from handler_core import Dispatched, Handler, hookimpl

__all__ = ["OpenTelemetryWrapper"]

_DISTRIBUTION = "handler-core-opentelemetry"

_logger = logging.getLogger("handler_core.opentelemetry")


class _Dispatch(NamedTuple):
    context: Context
    time: float


class OpenTelemetryWrapper:
    """Makes a span for each callback. One object may serve many handlers, from any thread.

    The name of a span is ``callback`` and the callback's type, for example ``callback watch``. The
    span of a linked callback is ``callback completion``. These are the attributes:

    - ``handler_core.handler``: the handler's name
    - ``handler_core.callback.type``: the callback's type
    - ``handler_core.callback.queued``: the seconds from dispatch to run
    - ``code.function.name``: the full name of the function

    An exception that leaves the callback is recorded, and the status of the span is an error. This
    does not hold for an exception that ends the program (``KeyboardInterrupt``, ``SystemExit``)
    or kills the worker.

    Args:
        tracer_provider: the provider that gets the spans. None takes the global one.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        version = importlib_metadata.version(_DISTRIBUTION)
        self._tracer = trace.get_tracer(_DISTRIBUTION, version, tracer_provider)
        self._dispatched: Dispatched[_Dispatch] = Dispatched()
        #: The contexts in which results were made. Empty contexts are left out.
        self._made_in: weakref.WeakKeyDictionary[Any, Context] = weakref.WeakKeyDictionary()

    @hookimpl(wrapper=True)
    def callback_object(self) -> Generator[None, Any, Any]:
        """Remember the context in which a result is made."""
        result = yield
        context = contexts.get_current()
        if context:
            self._made_in[result] = context
        return result

    @hookimpl(wrapper=True)
    def dispatch_callback(self, handler: Handler, callback: Any) -> Generator[None, Any, Any]:
        """Remember the context and the time of a dispatch."""
        here_and_now = _Dispatch(contexts.get_current(), time.monotonic())
        with self._dispatched.remember(handler, callback, here_and_now):
            return (yield)

    @hookimpl(wrapper=True)
    def run_callback(self, handler: Handler, callback: Any) -> Generator[None, Any, Any]:
        """Make a span around the run, and make its context the current one."""
        process = os.getpid()
        dispatch = self._dispatched.take(handler, callback)
        context = Context()
        span: Span = trace.INVALID_SPAN
        with _logged():
            context = self._context_of_link(callback) if dispatch is None else dispatch.context
            span = self._start_span(handler, callback, context, dispatch)
            context = trace.set_span_in_context(span, context)
        # A callback may attach a context and forget to detach it. That ends with this one too.
        token = contexts.attach(context)
        try:
            return (yield)
        except BaseException as exception:
            if os.getpid() == process:
                with _logged():
                    _record(span, exception, handler)
            raise
        finally:
            contexts.detach(token)
            if os.getpid() == process:
                with _logged():
                    span.end()

    def _start_span(
        self, handler: Handler, callback: Any, context: Context, dispatch: _Dispatch | None
    ) -> Span:
        kind = str(getattr(callback, "type", None) or "")
        attributes: dict[str, str | float] = {
            "handler_core.handler": handler.name,
            "handler_core.callback.type": kind,
            "code.function.name": _name_of(callback.func),
        }
        if dispatch is not None:
            attributes["handler_core.callback.queued"] = time.monotonic() - dispatch.time
        return self._tracer.start_span(
            f"callback {kind}".rstrip(), context=context, attributes=attributes
        )

    def _context_of_link(self, callback: Any) -> Context:
        for result in callback.args[:1]:
            try:
                return self._made_in.get(result, Context())
            except TypeError:  # it is no result, and cannot be a key
                break
        return Context()


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Log an error in tracing. It must not keep a callback from running."""
    try:
        yield
    except Exception:
        _logger.exception("a callback is not traced as it should be")


def _record(span: Span, exception: BaseException, handler: Handler) -> None:
    if isinstance(exception, (KeyboardInterrupt, SystemExit)) or handler.is_kill(exception):
        return
    # The timeouts of green threads are no `Exception`, and are recorded too.
    span.record_exception(exception)
    span.set_status(Status(StatusCode.ERROR, f"{type(exception).__name__}: {exception}"))


def _name_of(func: Callable[..., object]) -> str:
    """Return the full name of a function. For a ``partial``, that of its function."""
    while isinstance(func, functools.partial):
        func = func.func
    named: Any = func if hasattr(func, "__qualname__") else type(func)
    # A method of a built-in type has no module.
    return ".".join(filter(None, (named.__module__, named.__qualname__)))
