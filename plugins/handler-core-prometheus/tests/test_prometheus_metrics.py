"""A scrape shows what has happened, on every model, each in processes of its own."""

from __future__ import annotations

import pytest
from prometheus_process import (
    Asyncio,
    Eventlet,
    EventletPatched,
    Gevent,
    GeventPatched,
    PrometheusProcess,
    Threading,
)


class MetricsTests(PrometheusProcess):
    def test_all_of_them(self) -> None:
        self.run(
            """
with handler:
    gate = handler.event_object()
    begun = handler.event_object()
    def first():
        begun.set()
        gate.wait()
    handler.dispatch_callback(Callback("test", first, ()))
    begun.wait()
    for number in range(10):
        handler.dispatch_callback(Callback("test", int, ()))
    handler.dispatch_callback(Callback("test", int, ("no number",)))
    seen = scrape()
    assert seen["handler_core_queue_length", name] == 11, seen
    assert seen["handler_core_callbacks_dispatched_total", name] == 12, seen
    assert ("handler_core_callbacks_run_total", name, "dispatched") not in seen or (
        seen["handler_core_callbacks_run_total", name, "dispatched"] == 0
    ), seen
    gate.set()
    result = handler.async_result()
    result.link(lambda result: None)
    result.link(lambda result: 1 / 0)
    result.set()
seen = scrape()
assert seen["handler_core_queue_length", name] == 0, seen
assert seen["handler_core_callbacks_dispatched_total", name] == 12, seen
assert seen["handler_core_callbacks_run_total", name, "dispatched"] == 12, seen
assert seen["handler_core_callbacks_run_total", name, "linked"] == 2, seen
assert seen["handler_core_callbacks_failed_total", name, "dispatched"] == 1, seen
assert seen["handler_core_callbacks_failed_total", name, "linked"] == 1, seen
assert seen["handler_core_callback_queued_seconds_count", name] == 12, seen
assert seen["handler_core_callback_running_seconds_count", name, "dispatched"] == 12, seen
assert seen["handler_core_callback_running_seconds_count", name, "linked"] == 2, seen
# The others waited as long as the first ran.
assert seen["handler_core_callback_running_seconds_sum", name, "dispatched"] > 0, seen
assert (
    seen["handler_core_callback_queued_seconds_sum", name]
    > seen["handler_core_callback_running_seconds_sum", name, "dispatched"]
), seen
"""
        )

    def test_the_queue_of_a_handler_that_is_stopped_or_gone(self) -> None:
        self.run(
            """
import gc, weakref
other = get_handler(name)
for each in (handler, other):
    for _ in range(3):
        each.dispatch_callback(Callback("test", int, ()))
assert scrape()["handler_core_queue_length", name] == 6
gone = weakref.ref(other)
del other, each
gc.collect()
assert gone() is None
assert scrape()["handler_core_queue_length", name] == 3
with handler:
    pass
assert scrape()["handler_core_queue_length", name] == 0
"""
        )

    def test_what_was_refused_is_not_there(self) -> None:
        self.run(
            """
for wrong in (None, print, object(), []):
    try:
        handler.dispatch_callback(wrong)
    except TypeError:
        pass
    else:
        raise AssertionError
handler.dispatch_callback(Callback("test", int, ()))
seen = scrape()
assert seen["handler_core_queue_length", name] == 1, seen
assert seen["handler_core_callbacks_dispatched_total", name] == 1, seen
"""
        )

    def test_one_object_dispatched_twice(self) -> None:
        self.run(
            """
class Unhashable:
    __hash__ = None
    __slots__ = ()
    func = staticmethod(int)
    args = ()
callback = Unhashable()
for _ in range(5):
    handler.dispatch_callback(callback)
assert scrape()["handler_core_queue_length", name] == 5
with handler:
    pass
seen = scrape()
assert seen["handler_core_queue_length", name] == 0, seen
assert seen["handler_core_callbacks_run_total", name, "dispatched"] == 5, seen
"""
        )

    def test_a_wrapper_further_out_that_keeps_callbacks_from_running(self) -> None:
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
other = get_handler(name, wrappers=[Faults(), "prometheus"])
for failing in (True, False):
    with other:
        for _ in range(5):
            other.dispatch_callback(Callback("test", int, ()))
    assert value("queue_length") == 0, value("queue_length")
assert value("callbacks_run_total", kind="dispatched") == 5
assert value("callback_queued_seconds_count") == 5
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
ended = []
def dispatch():
    for _ in range(500):
        handler.dispatch_callback(Callback("test", int, ()))
    ended.append(True)
with handler:
    for _ in range(4):
        start_thread(dispatch, ())
    until(lambda: len(ended) == 4)
seen = scrape()
assert seen["handler_core_callbacks_dispatched_total", name] == 2000, seen
assert seen["handler_core_callbacks_run_total", name, "dispatched"] == 2000, seen
assert seen["handler_core_callback_queued_seconds_count", name] == 2000, seen
assert seen["handler_core_queue_length", name] == 0, seen
"""
        )

    def test_thousands_of_handlers_have_one_set_of_metrics(self) -> None:
        self.run(
            """
import gc, weakref
handlers = []
for _ in range(1000):
    other = get_handler(name)
    with other:
        other.dispatch_callback(Callback("test", int, ()))
    handlers.append(weakref.ref(other))
del other
gc.collect()
assert not [ref for ref in handlers if ref() is not None]
seen = scrape()
assert seen["handler_core_callbacks_run_total", name, "dispatched"] == 1000, seen
"""
        )


class TestThreading(Threading, MetricsTests):
    def test_named_by_the_environment_and_by_the_program(self) -> None:
        """It counts once."""
        self.run(
            """
import os
from handler_core_prometheus import PrometheusWrapper
os.environ["HANDLER_CORE_WRAPPERS"] = "prometheus,prometheus"
for wrappers in ([], ["prometheus"], [PrometheusWrapper], [PrometheusWrapper()]):
    with get_handler(name, wrappers=wrappers) as other:
        other.dispatch_callback(Callback("test", int, ()))
assert value("callbacks_dispatched_total") == 4
assert value("callbacks_run_total", kind="dispatched") == 4
assert value("callback_queued_seconds_count") == 4
assert value("queue_length") == 0
"""
        )

    @pytest.mark.parametrize("name", ["KeyboardInterrupt", "SystemExit"])
    def test_what_ends_a_program_is_no_failure(self, name: str) -> None:
        self.run(
            f"""
import threading
threading.excepthook = lambda args: None
def leave():
    raise {name}
with handler:
    handler.dispatch_callback(Callback("test", leave, ()))
    handler.dispatch_callback(Callback("test", int, ("no number",)))
assert value("callbacks_run_total", kind="dispatched") == 2
assert value("callbacks_failed_total", kind="dispatched") == 1
"""
        )


class TestGevent(Gevent, MetricsTests):
    def test_a_worker_that_is_killed_is_no_failure(self) -> None:
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
def time_out():
    raise gevent.Timeout(1)
handler.dispatch_callback(Callback("test", time_out, ()))
handler.stop()
assert value("callbacks_run_total", kind="dispatched") == 2
assert value("callbacks_failed_total", kind="dispatched") == 1
"""
        )


class TestGeventPatched(GeventPatched, MetricsTests): ...


class TestEventlet(Eventlet, MetricsTests): ...


class TestEventletPatched(EventletPatched, MetricsTests): ...


class TestAsyncio(Asyncio, MetricsTests):
    def test_a_coroutine_function_runs_until_its_coroutine_is_done(self) -> None:
        self.run(
            """
import asyncio
seen = []
async def callback():
    seen.append(scrape_here())
    await asyncio.sleep(0.02)
    seen.append(scrape_here())
from prometheus_client import REGISTRY
def scrape_here():
    labels = {"handler": name, "kind": "dispatched"}
    return REGISTRY.get_sample_value("handler_core_callbacks_run_total", labels)
with handler:
    handler.dispatch_callback(Callback("test", callback, ()))
assert seen in ([0, 0], [None, None]), seen
assert scrape_here() == 1
"""
        )
