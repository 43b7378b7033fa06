"""The spans that the real SDK records, on every model, each in processes of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from handler_core.testing.suite import Suite

BEGINNING = """
import logging
logging.getLogger("handler_core").addHandler(logging.NullHandler())  # what fails is to fail
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("test")

def spans(name):
    return [span for span in exporter.get_finished_spans() if span.name == name]
"""

PATCHING = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}


class OpenTelemetryTests(Suite):
    @pytest.fixture(autouse=True)
    def by_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HANDLER_CORE_WRAPPERS", "opentelemetry")

    def run(self, program: str) -> str:
        return self.run_script(BEGINNING + program)

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

    def test_a_link_belongs_to_the_request_of_its_result(self) -> None:
        self.run(
            """
seen = []
with handler:
    with tracer.start_as_current_span("request"):
        token = context.attach(baggage.set_baggage("number", 1))
        result = handler.async_result()
        context.detach(token)
    bare = handler.async_result()
    for each in (result, bare):
        each.link(lambda result: seen.append(baggage.get_baggage("number")))
        each.set()
assert seen == [1, None], seen
first, second = spans("callback completion")
(request,) = spans("request")
assert first.parent.span_id == request.context.span_id
assert second.parent is None
assert "handler_core.callback.queued" not in first.attributes
# Where the setter calls the link itself, too, and the setter's own context comes back.
with tracer.start_as_current_span("request 2") as current:
    last = handler.async_result()
with tracer.start_as_current_span("setter") as setter:
    last.link(lambda result: seen.append(trace.get_current_span()))
    last.set()
    assert trace.get_current_span() is setter
assert spans("callback completion")[-1].parent.span_id == current.context.span_id
assert seen[-1].parent.span_id == current.context.span_id
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

    def test_a_callback_leaves_no_context_behind(self) -> None:
        self.run(
            """
seen = []
def attach():
    context.attach(baggage.set_baggage("left", "behind"))
    seen.append(baggage.get_baggage("left"))
    raise ValueError("as planned")
def look():
    seen.append(baggage.get_baggage("left"))
with handler:
    handler.dispatch_callback(Callback("test", attach, ()))
    handler.dispatch_callback(Callback("test", look, ()))
    result = handler.async_result()
    handler.dispatch_callback(Callback("test", result.link, (lambda result: look(),)))
    handler.dispatch_callback(Callback("test", result.set, ()))
assert seen == ["behind", None, None], seen
"""
        )

    def test_one_object_dispatched_in_two_contexts(self) -> None:
        self.run(
            """
class Unhashable:
    __hash__ = None
    __slots__ = ()
    args = ()
    def func(self):
        seen.append(baggage.get_baggage("number"))
callback = Unhashable()
seen = []
for number in range(3):
    token = context.attach(baggage.set_baggage("number", number))
    handler.dispatch_callback(callback)
    context.detach(token)
with handler:
    pass
assert seen == [0, 1, 2], seen
assert len(spans("callback")) == 3
"""
        )

    def test_what_was_refused_leaves_nothing(self) -> None:
        self.run(
            """
for wrong in (None, print, object(), []):
    try:
        handler.dispatch_callback(wrong)
    except TypeError:
        pass
    else:
        raise AssertionError
with handler:
    handler.dispatch_callback(Callback("test", int, ()))
assert len(exporter.get_finished_spans()) == 1
"""
        )

    def test_a_handler_that_is_dropped_is_collected(self) -> None:
        self.run(
            """
import gc, weakref
alive = []
for _ in range(100):
    with tracer.start_as_current_span("request"):
        other = get_handler(handler.name)
        result = other.async_result()
        result.link(print)
        other.dispatch_callback(Callback("test", other.stop, ()))
    alive += [weakref.ref(other), weakref.ref(result)]
del other, result
gc.collect()
assert not [ref for ref in alive if ref() is not None]
"""
        )

    def test_a_forked_child_runs_its_own(self) -> None:
        self.run(
            """
import os
token = context.attach(baggage.set_baggage("of", "parent"))
handler.dispatch_callback(Callback("test", int, ()))
context.detach(token)
pid = os.fork()
if pid == 0:
    status = 1
    try:
        seen = []
        for number in range(3):
            handler.dispatch_callback(
                Callback("test", lambda: seen.append(baggage.get_baggage("of")), ())
            )
        handler.start()
        handler.stop()
        assert seen == [None] * 3, seen
        status = 0
    finally:
        os._exit(status)
assert exit_status(pid) == 0
with handler:
    pass
assert len(spans("callback test")) == 1
"""
        )

    def test_dispatches_of_many_threads(self) -> None:
        self.run(
            """
import _thread
try:
    from gevent.monkey import get_original
    start_thread = get_original("_thread", "start_new_thread")
except ImportError:
    start_thread = _thread.start_new_thread
ended, wrong = [], []
def work(number):
    if baggage.get_baggage("number") != number:
        wrong.append(number)
def dispatch(thread):
    for each in range(100):
        number = (thread, each)
        token = context.attach(baggage.set_baggage("number", number))
        handler.dispatch_callback(Callback("test", work, (number,)))
        context.detach(token)
    ended.append(True)
with handler:
    for thread in range(4):
        start_thread(dispatch, (thread,))
    while len(ended) < 4:
        handler.sleep_func(0.001)
assert wrong == []
assert len(spans("callback test")) == 400
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


class TestThreading(OpenTelemetryTests):
    handler_name = "threading"


class TestGevent(OpenTelemetryTests):
    handler_name = "gevent"

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


class TestGeventPatched(OpenTelemetryTests):
    handler_name = "gevent"
    prelude = PATCHING["gevent"]


class TestEventlet(OpenTelemetryTests):
    handler_name = "eventlet"


class TestEventletPatched(OpenTelemetryTests):
    handler_name = "eventlet"
    prelude = PATCHING["eventlet"]


class TestAsyncio(OpenTelemetryTests):
    handler_name = "asyncio"

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
