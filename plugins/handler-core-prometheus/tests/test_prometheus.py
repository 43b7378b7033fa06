"""What is scraped is what happened, on every model, each in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from handler_core.testing.suite import Suite

# A real scrape, by a process of its own: no model of this one serves and asks at the same time.
SCRAPE = """
import logging, os, subprocess, sys
logging.getLogger("handler_core").addHandler(logging.NullHandler())  # what fails is to fail
from prometheus_client import start_http_server
from prometheus_client.parser import text_string_to_metric_families

server, _ = start_http_server(0, addr="127.0.0.1")

ASK = (
    "import sys, urllib.request;"
    "sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"
)

def scrape():
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    asking = subprocess.Popen([sys.executable, "-c", ASK, url], stdout=subprocess.PIPE)
    while asking.poll() is None:  # while green servers answer
        handler.sleep_func(0.01)
    assert asking.returncode == 0
    return {
        (sample.name, sample.labels["handler"], *filter(None, [sample.labels.get("kind")])):
            sample.value
        for family in text_string_to_metric_families(asking.stdout.read().decode())
        for sample in family.samples
        if sample.name.startswith("handler_core_")
    }

def until(condition):
    while not condition():
        handler.sleep_func(0.001)

name = handler.name
"""

PATCHING = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}


class PrometheusTests(Suite):
    @pytest.fixture(autouse=True)
    def by_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HANDLER_CORE_WRAPPERS", "prometheus")

    def run(self, program: str) -> str:
        return self.run_script(SCRAPE + program)

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
# The first ran for as long as the others waited.
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

    def test_a_signal_handler_that_dispatches(self) -> None:
        """Whatever it interrupts."""
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


class TestThreading(PrometheusTests):
    handler_name = "threading"


class TestGevent(PrometheusTests):
    handler_name = "gevent"


class TestGeventPatched(PrometheusTests):
    handler_name = "gevent"
    prelude = PATCHING["gevent"]


class TestEventlet(PrometheusTests):
    handler_name = "eventlet"


class TestEventletPatched(PrometheusTests):
    handler_name = "eventlet"
    prelude = PATCHING["eventlet"]


class TestAsyncio(PrometheusTests):
    handler_name = "asyncio"

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


def test_a_registry_of_its_own_and_one_that_is_dropped() -> None:
    program = """
import gc, weakref
from prometheus_client import REGISTRY, CollectorRegistry
from handler_core import Callback, get_handler
from handler_core_prometheus import PrometheusWrapper

registry = CollectorRegistry()
wrappers = [PrometheusWrapper(registry), PrometheusWrapper(registry)]
for wrapper in wrappers:
    with get_handler("threading", wrappers=[wrapper]) as handler:
        handler.dispatch_callback(Callback("test", int, ()))
labels = {"handler": "threading", "kind": "dispatched"}
assert registry.get_sample_value("handler_core_callbacks_run_total", labels) == 2
assert REGISTRY.get_sample_value("handler_core_callbacks_run_total", labels) is None
dropped = weakref.ref(registry)
del registry, wrappers, wrapper, handler
gc.collect()
assert dropped() is None
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_in_multiprocess_mode_runs_are_added_up(tmp_path: Path) -> None:
    program = """
from handler_core import Callback, get_handler
with get_handler("threading", wrappers=["prometheus"]) as handler:
    handler.dispatch_callback(Callback("test", int, ()))
"""
    reading = """
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
labels = {"handler": "threading", "kind": "dispatched"}
print(registry.get_sample_value("handler_core_callbacks_run_total", labels))
"""
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for source in (program, program):
        subprocess.run([sys.executable, "-c", source], env=environment, check=True)
    read = subprocess.run(
        [sys.executable, "-c", reading], env=environment, stdout=subprocess.PIPE, check=True
    )
    assert read.stdout == b"2.0\n"
