"""The spans that the real SDK records, on every model, each in processes of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry_process import (
    Asyncio,
    Eventlet,
    EventletPatched,
    Gevent,
    GeventPatched,
    OpenTelemetryProcess,
    Threading,
)


class SpanTests(OpenTelemetryProcess):
    def test_a_span_has_the_parent_that_was_there_at_the_dispatch(self) -> None:
        self.run(
            """
import functools
seen = []
def work(number):
    seen.append((number, baggage.get_baggage("number")))
    with tracer.start_as_current_span(f"inside {number}"):
        handler.sleep_func(0)
with handler:
    for number in range(3):
        with tracer.start_as_current_span(f"request {number}"):
            token = context.attach(baggage.set_baggage("number", number))
            handler.dispatch_callback(Callback("watch", functools.partial(work, number), ()))
            context.detach(token)
    handler.dispatch_callback(Callback("watch", work, (3,)))
assert seen == [(0, 0), (1, 1), (2, 2), (3, None)], seen
found = spans("callback watch")
assert len(found) == 4
for number, span in enumerate(found):
    if number < 3:
        (request,) = spans(f"request {number}")
        assert span.parent.span_id == request.context.span_id
        assert span.context.trace_id == request.context.trace_id
    else:
        assert span.parent is None
    (inside,) = spans(f"inside {number}")
    assert inside.parent.span_id == span.context.span_id
    assert span.attributes["handler_core.handler"] == handler.name
    assert span.attributes["handler_core.callback.type"] == "watch"
    assert span.attributes["handler_core.callback.queued"] >= 0
    assert span.attributes["code.function.name"] == "__main__.work"
    assert span.status.status_code is StatusCode.UNSET
    assert span.start_time < span.end_time
"""
        )

    def test_what_fails_is_an_error(self) -> None:
        self.run(
            """
def fail():
    raise error
class NoException(BaseException):
    pass
with handler:
    for error in (ValueError("as planned"), NoException("as planned")):
        done = handler.event_object()
        handler.dispatch_callback(Callback("test", fail, ()))
        handler.dispatch_callback(Callback("done", done.set, ()))
        done.wait()
first, second = spans("callback test")
assert first.status.status_code is StatusCode.ERROR
assert first.status.description == "ValueError: as planned"
assert second.status.description == "NoException: as planned"
(event,) = first.events
assert event.attributes["exception.type"] == "ValueError"
assert [span.status.status_code for span in spans("callback done")] == [StatusCode.UNSET] * 2
"""
        )

    def test_beside_another_wrapper(self) -> None:
        self.run(
            """
from handler_core import hookimpl
seen = []
class Inner:
    @hookimpl(wrapper=True)
    def run_callback(self):
        seen.append(trace.get_current_span().name)
        return (yield)
with get_handler(handler.name, wrappers=[Inner()]) as other:
    other.dispatch_callback(Callback("test", int, ()))
assert seen == ["callback test"], seen
"""
        )


class TestThreading(Threading, SpanTests):
    def test_names_of_functions_and_types(self) -> None:
        self.run(
            """
import functools
found = []
for function, name in (
    (found.append, "list.append"),
    (functools.partial(functools.partial(found.append)), "list.append"),
    (print, "builtins.print"),
    (dict, "builtins.dict"),
    (lambda each: None, "__main__.<lambda>"),
):
    with handler:
        handler.dispatch_callback(Callback(None, function, ([],)))
    span = exporter.get_finished_spans()[-1]
    assert span.name == "callback", span.name
    assert span.attributes["handler_core.callback.type"] == ""
    assert span.attributes["code.function.name"] == name, span.attributes
"""
        )

    @pytest.mark.parametrize("name", ["KeyboardInterrupt", "SystemExit"])
    def test_what_ends_a_program_is_no_error(self, name: str) -> None:
        self.run(
            f"""
import threading
threading.excepthook = lambda args: None
def leave():
    raise {name}
with handler:
    handler.dispatch_callback(Callback("test", leave, ()))
(span,) = spans("callback test")
assert span.status.status_code is StatusCode.UNSET
assert span.events == ()
"""
        )

    def test_named_by_the_environment_and_by_the_program(self) -> None:
        """There is one span."""
        self.run(
            """
import os
from handler_core_opentelemetry import OpenTelemetryWrapper
os.environ["HANDLER_CORE_WRAPPERS"] = "opentelemetry,opentelemetry"
wrapper = OpenTelemetryWrapper()
for wrappers in ([], ["opentelemetry"], [OpenTelemetryWrapper], [wrapper]):
    exporter.clear()
    with get_handler("threading", wrappers=wrappers) as other:
        other.dispatch_callback(Callback("test", int, ()))
    assert len(exporter.get_finished_spans()) == 1, wrappers
"""
        )


class TestGevent(Gevent, SpanTests):
    def test_a_worker_that_is_killed_is_no_error(self) -> None:
        self.run(
            """
import gevent
handler.start()
workers = []
def block():
    workers.append(gevent.getcurrent())
    handler.sleep_func(60)
handler.dispatch_callback(Callback("test", block, ()))
while not workers:
    gevent.sleep(0)
gevent.kill(workers[0])
handler.stop()
(span,) = spans("callback test")
assert span.status.status_code is StatusCode.UNSET
assert span.events == ()
"""
        )


class TestGeventPatched(GeventPatched, SpanTests): ...


class TestEventlet(Eventlet, SpanTests): ...


class TestEventletPatched(EventletPatched, SpanTests): ...


class TestAsyncio(Asyncio, SpanTests):
    def test_a_coroutine_function_is_inside_of_its_span(self) -> None:
        self.run(
            """
import asyncio
seen = []
async def callback():
    await asyncio.sleep(0.01)
    seen.append(baggage.get_baggage("number"))
    with tracer.start_as_current_span("inside"):
        await asyncio.sleep(0.01)
with handler:
    token = context.attach(baggage.set_baggage("number", 1))
    handler.dispatch_callback(Callback("test", callback, ()))
    context.detach(token)
assert seen == [1], seen
(span,), (inside,) = spans("callback test"), spans("inside")
assert inside.parent.span_id == span.context.span_id
assert inside.end_time <= span.end_time
"""
        )


def test_without_the_sdk_nothing_is_seen() -> None:
    program = """
from handler_core import Callback, get_handler
with get_handler("threading", wrappers=["opentelemetry"]) as handler:
    handler.dispatch_callback(Callback("test", print, ("ran",)))
import sys
assert not [name for name in sys.modules if name.startswith("opentelemetry.sdk.trace")]
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ran\n", "")
