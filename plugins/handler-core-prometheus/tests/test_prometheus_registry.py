"""Other registries, names that are taken, and the multiprocess mode."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from handler_core_prometheus import PrometheusWrapper
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from handler_core import Callback, get_handler


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
