"""The metrics of a process that forks, and of its child."""

from __future__ import annotations

from prometheus_process import (
    Asyncio,
    Eventlet,
    EventletPatched,
    Gevent,
    GeventPatched,
    PrometheusProcess,
    Threading,
)


class ForkTests(PrometheusProcess):
    def test_a_forked_child_begins_with_an_empty_queue(self) -> None:
        self.run(
            """
import os
from prometheus_client import REGISTRY
for _ in range(3):
    handler.dispatch_callback(Callback("test", int, ()))
length = lambda: REGISTRY.get_sample_value("handler_core_queue_length", {"handler": name})
assert length() == 3
pid = os.fork()
if pid == 0:
    status = 1
    try:
        assert length() == 0, length()
        handler.dispatch_callback(Callback("test", int, ()))
        assert length() == 1, length()
        handler.start()
        handler.stop()
        assert length() == 0, length()
        status = 0
    finally:
        os._exit(status)
assert exit_status(pid) == 0
assert length() == 3
with handler:
    pass
assert length() == 0
"""
        )

    def test_a_callback_that_waits_while_the_process_forks(self) -> None:
        """It ends in the parent, and only the parent counts it."""
        self.run(
            """
import os
gate, begun = handler.event_object(), handler.event_object()
def wait():
    begun.set()
    gate.wait()
handler.start()
handler.dispatch_callback(Callback("test", wait, ()))
handler.dispatch_callback(Callback("test", int, ("no number",)))
begun.wait()
pid = os.fork()
if pid == 0:
    status = 1
    try:
        gate.set()
        handler.sleep_func(0.01)
        assert not value("callbacks_run_total", kind="dispatched")
        assert not value("callbacks_failed_total", kind="dispatched")
        assert not value("callback_running_seconds_count", kind="dispatched")
        with handler:
            handler.dispatch_callback(Callback("test", int, ()))
        assert value("callbacks_run_total", kind="dispatched") == 1
        assert value("queue_length") == 0
        status = 0
    finally:
        os._exit(status)
assert exit_status(pid) == 0
gate.set()
handler.stop()
assert value("callbacks_run_total", kind="dispatched") == 2
assert value("callbacks_failed_total", kind="dispatched") == 1
assert value("callback_running_seconds_count", kind="dispatched") == 2
assert value("queue_length") == 0
"""
        )

    def test_a_callback_that_forks(self) -> None:
        """The child does not count it, and the parent counts it once."""
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
        frame.f_globals["__name__"] == "handler_core_prometheus"
    ):
        os._exit(1 if value("callbacks_run_total", kind="dispatched") else 0)
with handler:
    handler.dispatch_callback(Callback("test", fork, ()))
    handler.dispatch_callback(Callback("test", int, ()))
assert exit_status(*pids) == 0
assert value("callbacks_run_total", kind="dispatched") == 2
assert value("callback_running_seconds_count", kind="dispatched") == 2
"""
        )

    def test_a_fork_while_another_thread_scrapes(self) -> None:
        """The child can scrape."""
        self.run(
            """
import os, signal
from prometheus_client import REGISTRY
import handler_core_prometheus
try:
    from gevent.monkey import get_original
except ImportError:
    try:
        from eventlet.patcher import original
        get_original = lambda module, item: getattr(original(module), item)
    except ImportError:
        get_original = lambda module, item: getattr(__import__(module), item)
start_thread = get_original("_thread", "start_new_thread")
allocate_lock = get_original("_thread", "allocate_lock")

handler.dispatch_callback(Callback("test", int, ()))
(tally,) = handler_core_prometheus._metrics[REGISTRY]()._dispatched.values()
inside, forked, ended = allocate_lock(), allocate_lock(), allocate_lock()
for lock in (inside, forked, ended):
    lock.acquire()
class Slow:  # the process forks while the scrape is in here
    first = True
    def __next__(self):
        if self.first:
            self.first = False
            inside.release()
            forked.acquire(True, 0.3)  # the fork may wait for this
        return 1
tally._count = Slow()
def scrape():
    value("callbacks_dispatched_total")
    ended.release()
start_thread(scrape, ())
inside.acquire()
pid = os.fork()
if pid == 0:
    status = 1
    try:
        signal.alarm(20)
        value("callbacks_dispatched_total")
        status = 0
    finally:
        os._exit(status)
forked.release()
ended.acquire()
assert exit_status(pid) == 0
"""
        )


class TestThreading(Threading, ForkTests): ...


class TestGevent(Gevent, ForkTests): ...


class TestGeventPatched(GeventPatched, ForkTests): ...


class TestEventlet(Eventlet, ForkTests): ...


class TestEventletPatched(EventletPatched, ForkTests): ...


class TestAsyncio(Asyncio, ForkTests): ...
