"""A span for each callback that a handler runs, in the context in which it was dispatched.

What a callback does belongs to whoever asked for it, but it runs in a worker that knows nothing
of that. So the OpenTelemetry context (the current span, the baggage) is remembered at the dispatch,
and is the current one again while the callback runs. A linked callback is not dispatched: it
belongs to the request whose result it is linked to, and gets the context in which that result was
made.

Tracing is a guest. Whatever fails in it (a sampler, a span processor) is logged, and the callback
runs. And a fork copies what is going on: a span that began in the parent ends there alone.
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
    """Makes the spans. One object may serve many handlers, from any thread.

    A span is named ``callback`` and the callback's type (``callback watch``; a linked one is a
    ``callback completion``), and has these attributes: ``handler_core.handler``, the handler's
    name; ``handler_core.callback.type``; ``handler_core.callback.queued``, the seconds from
    dispatch to run; and ``code.function.name``. An exception that leaves the callback is recorded,
    and makes the status an error, unless it is one that ends the program (``KeyboardInterrupt``,
    ``SystemExit``) or kills the worker.

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
        process = os.getpid()
        dispatch = self._dispatched.take(handler, callback)
        context = Context()
        span: Span = trace.INVALID_SPAN
        with _logged():
            context = self._context_of_link(callback) if dispatch is None else dispatch.context
            span = self._start_span(handler, callback, context, dispatch)
            context = trace.set_span_in_context(span, context)
        # What the callback itself attaches, and may forget to detach, goes with ours.
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
            except TypeError:  # no result, but something that cannot be a key
                break
        return Context()


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Log what fails in tracing: it must not keep a callback from running."""
    try:
        yield
    except Exception:
        _logger.exception("a callback is not traced as it should be")


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
    # A method of a built-in type is in no module.
    return ".".join(filter(None, (named.__module__, named.__qualname__)))
