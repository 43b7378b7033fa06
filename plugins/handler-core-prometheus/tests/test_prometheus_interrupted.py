"""Signal handlers, Ctrl-C and other threads during a dispatch or a scrape."""

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


class InterruptedTests(PrometheusProcess):
    def test_a_signal_handler_that_dispatches(self) -> None:
        """It may interrupt any code."""
        self.run(
            """
import signal
count = 0
def dispatch(*_):
    global count
    count += 1
    handler.dispatch_callback(Callback("signal", int, ()))
signal.signal(signal.SIGALRM, dispatch)
with handler:
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    for _ in range(3000):
        handler.dispatch_callback(Callback("test", int, ()))
        handler.sleep_func(0)
    signal.setitimer(signal.ITIMER_REAL, 0)
assert count > 0
seen = scrape()
assert seen["handler_core_callbacks_dispatched_total", name] == 3000 + count, (seen, count)
assert seen["handler_core_callbacks_run_total", name, "dispatched"] == 3000 + count, (seen, count)
assert seen["handler_core_queue_length", name] == 0, seen
"""
        )


class TestThreading(Threading, InterruptedTests):
    def test_ctrl_c_in_the_midst_of_a_dispatch(self) -> None:
        self.run(
            """
import gc, signal
armed = False
def interrupt(*_):
    if armed:
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
gc.disable()  # it could end abandoned wrappers while the next signal comes
interrupted = 0
handler.start()
for number in range(4000):
    callback = Callback("test", int, ())
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + number % 60))
        armed = True
        handler.dispatch_callback(callback)
        armed = False
    except KeyboardInterrupt:
        interrupted += 1
    finally:
        armed = False
    del callback
signal.setitimer(signal.ITIMER_REAL, 0)
assert interrupted
handler.stop()
gc.collect()
assert value("queue_length") == 0, (interrupted, value("queue_length"))
"""
        )

    def test_scrapes_while_handlers_and_wrappers_are_made(self) -> None:
        self.run(
            """
import sys, threading
from handler_core_prometheus import PrometheusWrapper
handler.dispatch_callback(Callback("test", int, ()))
shared = PrometheusWrapper()
stop = False
def make(wrappers):
    kept = []
    while not stop:
        other = get_handler(name, wrappers=wrappers)  # by default each has a wrapper of its own
        other.dispatch_callback(Callback("test", int, ()))
        kept.append(other)
        if len(kept) > 100:
            del kept[:50]
threads = [threading.Thread(target=make, args=(each,)) for each in ([], [shared])]
sys.setswitchinterval(1e-6)
for thread in threads:
    thread.start()
try:
    for _ in range(500):
        assert value("queue_length") >= 1
finally:
    stop = True
    for thread in threads:
        thread.join()
"""
        )

    def test_a_signal_handler_that_dispatches_to_new_handlers_during_a_scrape(self) -> None:
        self.run(
            """
import signal
from handler_core_prometheus import PrometheusWrapper
import os
del os.environ["HANDLER_CORE_WRAPPERS"]
wrapper = PrometheusWrapper()
used = [get_handler(name, wrappers=[wrapper]) for _ in range(100)]
for each in used:
    each.dispatch_callback(Callback("test", int, ()))
spare = [get_handler(name, wrappers=[wrapper]) for _ in range(400)]
def dispatch(*_):
    if spare:
        used.append(spare.pop())
        used[-1].dispatch_callback(Callback("signal", int, ()))
        signal.setitimer(signal.ITIMER_REAL, 0.0001 * (1 + len(spare) % 7))
signal.signal(signal.SIGALRM, dispatch)
signal.setitimer(signal.ITIMER_REAL, 0.0001)
while spare:
    assert value("queue_length") >= 100
signal.setitimer(signal.ITIMER_REAL, 0)
assert value("queue_length") == 500
assert value("callbacks_dispatched_total") == 500
"""
        )


class TestGevent(Gevent, InterruptedTests): ...


class TestGeventPatched(GeventPatched, InterruptedTests): ...


class TestEventlet(Eventlet, InterruptedTests): ...


class TestEventletPatched(EventletPatched, InterruptedTests): ...


class TestAsyncio(Asyncio, InterruptedTests): ...
