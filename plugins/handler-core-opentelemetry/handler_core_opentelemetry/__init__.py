"""A span for each callback that a handler runs, in the context in which it was dispatched.

What a callback does belongs to whoever asked for it, but it runs in a worker that knows nothing
of that. So the OpenTelemetry context (the current span, the baggage) is remembered at the dispatch,
and is the current one again while the callback runs. A linked callback is not dispatched: it
belongs to the request whose result it is linked to, and gets the context in which that result was
made.
"""

from __future__ import annotations

import functools
import time
import weakref
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import importlib_metadata
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode, TracerProvider

from handler_core import Dispatched, Handler, hookimpl

__all__ = ["OpenTelemetryWrapper"]

_DISTRIBUTION = "handler-core-opentelemetry"


class _Dispatch(NamedTuple):
    context: Context
    time: float


class OpenTelemetryWrapper:
    """Makes the spans. One object may serve many handlers, from any thread.

    A span is named ``callback`` and the callback's type (``callback watch``; a linked one is a
    ``callback completion``), and has these attributes: ``handler_core.handler``, the handler's
    name; ``handler_core.callback.type``; ``handler_core.callback.queued``, the seconds from
    dispatch to run; and ``code.function.name``. An exception that leaves the callback is recorded,
    and makes the status an error, unless it is one that ends a program or a worker.

    Args:
        tracer_provider: where the spans go; None takes the global one.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        version = importlib_metadata.version(_DISTRIBUTION)
        self._tracer = trace.get_tracer(_DISTRIBUTION, version, tracer_provider)
        self._dispatched: Dispatched[_Dispatch] = Dispatched()
        #: The contexts in which results were made, less the empty ones.
        self._made_in: weakref.WeakKeyDictionary[Any, Context] = weakref.WeakKeyDictionary()

    @hookimpl(wrapper=True)
    def callback_object(self) -> Generator[None, Any, Any]:
        """Remember in which context a result was made."""
        result = yield
        context = contexts.get_current()
        if context:
            self._made_in[result] = context
        return result

    @hookimpl(wrapper=True)
    def dispatch_callback(self, handler: Handler, callback: Any) -> Generator[None, Any, Any]:
        """Remember in which context a callback was dispatched, and when."""
        here_and_now = _Dispatch(contexts.get_current(), time.monotonic())
        with self._dispatched.remember(handler, callback, here_and_now):
            return (yield)

    @hookimpl(wrapper=True)
    def run_callback(self, handler: Handler, callback: Any) -> Generator[None, Any, Any]:
        """Make a span around the run, and have it and its context be the current ones."""
        dispatch = self._dispatched.take(handler, callback)
        kind = str(getattr(callback, "type", ""))
        attributes: dict[str, str | float] = {
            "handler_core.handler": handler.name,
            "handler_core.callback.type": kind,
            "code.function.name": _name_of(callback.func),
        }
        if dispatch is not None:
            context = dispatch.context
            attributes["handler_core.callback.queued"] = time.monotonic() - dispatch.time
        else:
            context = self._context_of_link(callback)
        span = self._tracer.start_span(
            f"callback {kind}".rstrip(), context=context, attributes=attributes
        )
        # What the callback itself attaches, and may forget to detach, goes with ours.
        token = contexts.attach(trace.set_span_in_context(span, context))
        try:
            return (yield)
        except BaseException as exception:
            _record(span, exception, handler)
            raise
        finally:
            contexts.detach(token)
            span.end()

    def _context_of_link(self, callback: Any) -> Context:
        for result in callback.args[:1]:
            try:
                return self._made_in.get(result, Context())
            except TypeError:  # no result, but something that cannot be a key
                break
        return Context()


def _record(span: Span, exception: BaseException, handler: Handler) -> None:
    if isinstance(exception, (KeyboardInterrupt, SystemExit)) or handler.is_kill(exception):
        return
    # Also the timeouts of green threads, which are no `Exception`.
    span.record_exception(exception)
    span.set_status(Status(StatusCode.ERROR, f"{type(exception).__name__}: {exception}"))


def _name_of(func: Callable[..., object]) -> str:
    """Return the full name of a function, also of one that is inside a ``partial``."""
    while isinstance(func, functools.partial):
        func = func.func
    named: Any = func if hasattr(func, "__qualname__") else type(func)
    return f"{named.__module__}.{named.__qualname__}"
