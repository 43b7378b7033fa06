"""What is scraped is what happened, on every model, each in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from handler_core_prometheus import PrometheusWrapper
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from handler_core import Callback, get_handler
from handler_core.testing import Suite

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

def value(metric, **labels):
    from prometheus_client import REGISTRY
    return REGISTRY.get_sample_value("handler_core_" + metric, {"handler": name, **labels})
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

    def test_a_callback_that_waits_while_the_process_forks(self) -> None:
        """It ends in the parent, and is counted there alone."""
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
        """What goes on in the child ends unseen, and counts in the parent once."""
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
class Slow:  # the scrape is in the midst of this when the process forks
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

    def test_ctrl_c_in_the_midst_of_a_dispatch(self) -> None:
        self.run(
            """
import gc, signal
armed = False
def interrupt(*_):
    if armed:
        raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
gc.disable()  # or the next signal could interrupt what ends the wrappers that this one has left
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


class TestGevent(PrometheusTests):
    handler_name = "gevent"

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


def test_a_registry_that_is_restricted_to_one_metric() -> None:
    registry = CollectorRegistry()
    with get_handler("threading", wrappers=[PrometheusWrapper(registry)]) as handler:
        handler.dispatch_callback(Callback("test", int, ()))
    for name in (
        "handler_core_queue_length",
        "handler_core_callbacks_dispatched_total",
        "handler_core_callbacks_run_total",
    ):
        assert name.encode() in generate_latest(registry.restricted_registry([name])), name


@pytest.mark.parametrize(
    "name",
    [
        "handler_core_callbacks_run_total",
        "handler_core_callbacks_failed_total",
        "handler_core_callback_queued_seconds",
        "handler_core_callback_running_seconds",
        "handler_core_callbacks_dispatched_total",
        "handler_core_queue_length",
    ],
)
def test_a_name_that_is_somebody_elses(name: str) -> None:
    """Nothing is registered, and a second try says the same."""
    registry = CollectorRegistry()
    foreign = Gauge(name, "A foreign metric", registry=registry)
    said = set()
    for _ in range(2):
        with pytest.raises(ValueError, match="Duplicated") as caught:
            PrometheusWrapper(registry)
        said.add(str(caught.value))
        assert [metric.name for metric in registry.collect()] == [name]
    assert len(said) == 1
    assert name.removesuffix("_total") in said.pop()
    registry.unregister(foreign)
    wrapper = PrometheusWrapper(registry)
    with get_handler("threading", wrappers=[wrapper]) as handler:
        handler.dispatch_callback(Callback("test", int, ()))
    labels = {"handler": "threading", "kind": "dispatched"}
    assert registry.get_sample_value("handler_core_callbacks_run_total", labels) == 1


def test_a_name_that_is_taken_is_said_with_the_plugin() -> None:
    program = """
from prometheus_client import Gauge
from handler_core import HandlerLoadError, get_handler
Gauge("handler_core_queue_length", "A foreign metric")
for _ in range(2):
    try:
        get_handler("threading", wrappers=["prometheus"])
    except HandlerLoadError as error:
        print(error)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    first, second = ended.stdout.splitlines()
    assert first == second
    assert "'prometheus'" in first
    assert "handler-core-prometheus" in first
    assert "handler_core_queue_length" in first
