"""The spans that the real SDK records, on every model, each in processes of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from handler_core.testing import Suite

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

    def test_a_callback_that_waits_while_the_process_forks(self) -> None:
        """Its span ends in the parent alone."""
        self.run(
            """
import os
gate, begun = handler.event_object(), handler.event_object()
def wait():
    begun.set()
    gate.wait()
handler.start()
handler.dispatch_callback(Callback("test", wait, ()))
begun.wait()
pid = os.fork()
if pid == 0:
    status = 1
    try:
        gate.set()
        handler.sleep_func(0.01)
        assert spans("callback test") == [], spans("callback test")
        with handler:
            handler.dispatch_callback(Callback("child", int, ()))
        assert len(exporter.get_finished_spans()) == 1
        status = 0
    finally:
        os._exit(status)
assert exit_status(pid) == 0
gate.set()
handler.stop()
assert len(spans("callback test")) == 1
"""
        )

    def test_a_callback_that_forks(self) -> None:
        """Its span ends in the parent alone."""
        self.run(
            """
import os, sys
pids = []
def fork():
    pid = os.fork()
    if pid:
        pids.append(pid)
    else:
        sys.setprofile(look)
def look(frame, event, argument):
    # The child has left the callback, and then the wrapper.
    if event == "return" and frame.f_code.co_name == "run_callback" and (
        frame.f_globals["__name__"] == "handler_core_opentelemetry"
    ):
        os._exit(1 if exporter.get_finished_spans() else 0)
with handler:
    handler.dispatch_callback(Callback("test", fork, ()))
    handler.dispatch_callback(Callback("next", int, ()))
assert exit_status(*pids) == 0
assert len(spans("callback test")) == 1
assert len(spans("callback next")) == 1
"""
        )

    def test_a_wrapper_further_out_that_keeps_callbacks_from_running(self) -> None:
        """Those that run have their own contexts."""
        self.run(
            """
import os
from handler_core import hookimpl
class Faults:
    @hookimpl(wrapper=True)
    def run_callback(self):
        if failing:
            raise ConnectionResetError("as planned")
        return (yield)
del os.environ["HANDLER_CORE_WRAPPERS"]
other = get_handler(handler.name, wrappers=[Faults(), "opentelemetry"])
seen = []
def look():
    seen.append(baggage.get_baggage("number"))
for failing, numbers in ((True, range(100)), (False, range(100, 600))):
    for number in numbers:
        token = context.attach(baggage.set_baggage("number", number))
        other.dispatch_callback(Callback("test", look, ()))
        context.detach(token)
    with other:
        pass
assert seen == list(range(100, 600)), seen
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


# What fails in tracing: a sampler, what looks at a span at its begin or end, what describes it.
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


class TestThreading(OpenTelemetryTests):
    handler_name = "threading"

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
        """It is the callback's exception that is logged as such."""
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
        """Also where the wrapper has not seen the dispatch."""
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

    def test_ctrl_c_in_the_midst_of_a_dispatch(self) -> None:
        """No callback gets the context of another one."""
        self.run(
            """
import gc, signal
armed = False
def interrupt(*_):
    if armed:
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
gc.disable()  # or the next signal could interrupt what ends the wrappers that this one has left
interrupted, wrong = 0, []
def look(number):
    seen = baggage.get_baggage("number")
    if seen not in (number, None):  # none where the interrupted dispatch has queued it
        wrong.append((number, seen))
handler.start()
for number in range(4000):
    token = context.attach(baggage.set_baggage("number", number))
    callback = Callback("test", look, (number,))
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + number % 60))
        armed = True
        handler.dispatch_callback(callback)
        armed = False
    except KeyboardInterrupt:
        interrupted += 1
    finally:
        armed = False
    context.detach(token)
    del callback
    if number % 100 == 0:
        gc.collect()
signal.setitimer(signal.ITIMER_REAL, 0)
assert interrupted
handler.stop()
assert wrong == [], (interrupted, wrong[:5])
"""
        )


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
