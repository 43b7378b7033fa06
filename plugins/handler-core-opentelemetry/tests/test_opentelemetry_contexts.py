"""Each callback runs in the context of its dispatch, or of its result, and in no other one."""

from __future__ import annotations

from opentelemetry_process import (
    Asyncio,
    Eventlet,
    EventletPatched,
    Gevent,
    GeventPatched,
    OpenTelemetryProcess,
    Threading,
)


class ContextTests(OpenTelemetryProcess):
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
# The same holds if the setter calls the link itself. Afterwards it has its own context again.
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

    def test_a_wrapper_further_out_that_keeps_callbacks_from_running(self) -> None:
        """The callbacks that run have their own contexts."""
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


class TestThreading(Threading, ContextTests):
    def test_ctrl_c_in_the_midst_of_a_dispatch(self) -> None:
        """No callback gets another one's context."""
        self.run(
            """
import gc, signal
armed = False
def interrupt(*_):
    if armed:
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
gc.disable()  # it could end abandoned wrappers while the next signal comes
interrupted, wrong = 0, []
def look(number):
    seen = baggage.get_baggage("number")
    if seen not in (number, None):  # None if the interrupted dispatch has queued it
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


class TestGevent(Gevent, ContextTests): ...


class TestGeventPatched(GeventPatched, ContextTests): ...


class TestEventlet(Eventlet, ContextTests): ...


class TestEventletPatched(EventletPatched, ContextTests): ...


class TestAsyncio(Asyncio, ContextTests): ...
