"""Callbacks run in spite of errors in tracing."""

from __future__ import annotations

import pytest
from opentelemetry_process import OpenTelemetryProcess, Threading

# Parts of tracing that fail: a sampler, a processor at the begin or the end of a span, and the
# description of a callback.
FAILING = {
    "sampler": """
class Failing(Sampler):
    def should_sample(self, *args, **kwargs):
        raise RuntimeError("as planned")
    def get_description(self):
        return "failing"
failing = TracerProvider(sampler=Failing())
""",
    "begin": """
class Failing(SpanProcessor):
    def on_start(self, span, parent_context=None):
        raise RuntimeError("as planned")
failing = TracerProvider()
failing.add_span_processor(Failing())
""",
    "end": """
class Failing(SpanProcessor):
    def on_end(self, span):
        raise RuntimeError("as planned")
failing = TracerProvider()
failing.add_span_processor(Failing())
""",
    "type": """
failing = provider
class WithoutText:
    def __str__(self):
        raise RuntimeError("as planned")
kind = WithoutText()
""",
    "function": """
failing = provider
class Proxy:
    def __getattr__(self, name):
        raise KeyError(name)  # no AttributeError
    def __call__(self, *args):
        return function(*args)
wrap = lambda function: Proxy()
""",
}


class TestThreading(Threading, OpenTelemetryProcess):
    @pytest.mark.parametrize("name", FAILING)
    def test_what_fails_in_tracing_keeps_no_callback_from_running(self, name: str) -> None:
        """It is logged, and the callback has its context."""
        self.run(
            f"""
import os
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.sampling import Sampler
from handler_core_opentelemetry import OpenTelemetryWrapper
kind, wrap = "test", lambda function: function
{FAILING[name]}
class Log(logging.Handler):
    def emit(self, record):
        logged.append((record.name, str(record.exc_info[1])))
logged, seen = [], []
logging.getLogger("handler_core").addHandler(Log())
del os.environ["HANDLER_CORE_WRAPPERS"]
def function():
    seen.append(baggage.get_baggage("number"))
with get_handler("threading", wrappers=[OpenTelemetryWrapper(failing)]) as other:
    for number in range(3):
        token = context.attach(baggage.set_baggage("number", number))
        other.dispatch_callback(Callback(kind, wrap(function), ()))
        context.detach(token)
assert seen == [0, 1, 2], seen
assert len(logged) == 3, logged
assert {{name for name, _ in logged}} == {{"handler_core.opentelemetry"}}, logged
"""
        )

    def test_an_exception_that_cannot_be_described(self) -> None:
        """The log has the callback's exception."""
        self.run(
            """
class Log(logging.Handler):
    def emit(self, record):
        if record.name == "handler_core":
            logged.append(type(record.exc_info[1]).__name__)
class WithoutText(Exception):
    def __str__(self):
        raise RuntimeError("as planned")
def fail():
    raise WithoutText
logged = []
logging.getLogger("handler_core").addHandler(Log())
with handler:
    handler.dispatch_callback(Callback("test", fail, ()))
assert logged == ["WithoutText"], logged
assert len(spans("callback test")) == 1
"""
        )

    def test_arguments_that_are_no_tuple(self) -> None:
        """They work even if the wrapper has not seen the dispatch."""
        self.run(
            """
import collections
from handler_core import hookimpl
from handler_core.execution import Lifecycle
ran = []
for args in (collections.deque([1]), [[2]], iter([3])):
    with handler:
        Lifecycle.dispatch_callback(handler, Callback("test", ran.append, args))
    with handler:
        handler.dispatch_callback(Callback("test", ran.append, [4]))
assert ran == [1, 4, [2], 4, 3, 4], ran
"""
        )
