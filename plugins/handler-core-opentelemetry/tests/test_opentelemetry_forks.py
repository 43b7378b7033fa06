"""The spans of a process that forks, and of its child."""

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


class ForkTests(OpenTelemetryProcess):
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
        """Its span ends only in the parent."""
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
        """Its span ends only in the parent."""
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


class TestThreading(Threading, ForkTests): ...


class TestGevent(Gevent, ForkTests): ...


class TestGeventPatched(GeventPatched, ForkTests): ...


class TestEventlet(Eventlet, ForkTests): ...


class TestEventletPatched(EventletPatched, ForkTests): ...


class TestAsyncio(Asyncio, ForkTests): ...
