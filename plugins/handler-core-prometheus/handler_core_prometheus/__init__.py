"""Metrics of the callbacks that handlers run, for Prometheus.

A process usually has one registry, and may have thousands of handlers. So there is one
:class:`_Metrics` for a registry. The first wrapper that needs it makes it, and all wrappers share
it.

A signal handler or a finalizer may dispatch a callback at any point of the program, and the locks
of ``prometheus_client`` are not re-entrant. So a dispatch uses no object of ``prometheus_client``.
It adds to a :class:`_Tally`, which a scrape reads.

A fork copies the callbacks that are running. They end in the parent, and only the parent counts
them.
"""

from __future__ import annotations

import _thread
import itertools
import os
import time
import weakref
from collections.abc import Generator, Iterator
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from handler_core import Dispatched, Handler, hookimpl

__all__ = ["PrometheusWrapper"]

# Seconds: a callback may be one assignment, or wait for a server.
_BUCKETS = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class PrometheusWrapper:
    """Counts and times callbacks. One object may serve many handlers, from any thread.

    These are the metrics. Each has the label ``handler``, which is the handler's name.

    - Counters: ``handler_core_callbacks_dispatched_total``, ``handler_core_callbacks_run_total``
      and ``handler_core_callbacks_failed_total``.
    - A gauge: ``handler_core_queue_length``, the number of dispatched callbacks that wait to run
      in all handlers of that name.
    - Histograms: ``handler_core_callback_queued_seconds`` and
      ``handler_core_callback_running_seconds``.

    The metrics of callbacks that have run also have the label ``kind``: ``dispatched``, or
    ``linked`` for a callback that was linked to a result.

    Args:
        registry: the registry of the metrics. The default one is what ``prometheus_client``
            serves.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._dispatched: Dispatched[float] = Dispatched()
        self._metrics = _metrics_of(registry)
        self._metrics.add(self)

    @hookimpl(wrapper=True)
    def dispatch_callback(self, handler: Handler, callback: Any) -> Generator[None, Any, Any]:
        """Count a dispatch, and remember its time."""
        with self._dispatched.remember(handler, callback, time.perf_counter()):
            outcome = yield
        self._metrics.tally(handler.name).add()
        return outcome

    @hookimpl(wrapper=True)
    def run_callback(self, handler: Handler, callback: Any) -> Generator[None, Any, Any]:
        """Count a run, and time it."""
        process = os.getpid()
        begun = time.perf_counter()
        dispatched = self._dispatched.take(handler, callback)
        runs = self._metrics.runs(handler.name, "linked" if dispatched is None else "dispatched")
        if dispatched is not None:
            runs.queued.observe(begun - dispatched)
        failed = False
        try:
            return (yield)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exception:
            # The timeouts of green threads are no `Exception`, and count too.
            failed = not handler.is_kill(exception)
            raise
        finally:
            if os.getpid() == process:
                runs.end(time.perf_counter() - begun, failed)

    def queued(self) -> Iterator[tuple[str, int]]:
        """Yield the name of each handler, and how many of its callbacks wait."""
        for handler in self._dispatched.handlers():
            yield handler.name, self._dispatched.count(handler)


class _Runs:
    """The metrics of runs, for one handler's name and one kind of callback.

    They are looked up once. To find them by their labels takes longer than all the rest.
    """

    __slots__ = ("failed", "queued", "run", "running")

    def __init__(self, metrics: _Metrics, name: str, kind: str) -> None:
        self.run = metrics.run.labels(name, kind)
        self.failed = metrics.failed.labels(name, kind)
        self.queued = metrics.queued.labels(name)
        self.running = metrics.running.labels(name, kind)

    def end(self, seconds: float, failed: bool) -> None:
        self.running.observe(seconds)
        if failed:
            self.failed.inc()
        self.run.inc()


class _Tally:
    """A counter whose ``add`` is one step: not even a signal handler can interrupt it."""

    def __init__(self) -> None:
        self._count = itertools.count()
        self._reads = 0

    def add(self) -> None:
        next(self._count)

    def value(self) -> int:
        with _lock:
            value = next(self._count) - self._reads
            self._reads += 1
        return value


class _Metrics:
    """All metrics of one registry, and the collector of what dispatches count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("handler", "kind")
        self.run = Counter(
            "handler_core_callbacks_run", "Callbacks that have run", labels, registry=None
        )
        self.failed = Counter(
            "handler_core_callbacks_failed",
            "Callbacks that have raised an exception",
            labels,
            registry=None,
        )
        self.queued = Histogram(
            "handler_core_callback_queued_seconds",
            "How long a dispatched callback waited until it ran",
            ("handler",),
            registry=None,
            buckets=_BUCKETS,
        )
        self.running = Histogram(
            "handler_core_callback_running_seconds",
            "How long a callback ran",
            labels,
            registry=None,
            buckets=_BUCKETS,
        )
        # By their ids. `valuerefs` copies the references in one step, so another thread may make a
        # wrapper at the same time.
        self._wrappers: weakref.WeakValueDictionary[int, PrometheusWrapper]
        self._wrappers = weakref.WeakValueDictionary()
        self._dispatched: dict[str, _Tally] = {}
        self._runs: dict[tuple[str, str], _Runs] = {}
        self._register(registry, self.run, self.failed, self.queued, self.running, self)

    def _register(self, registry: CollectorRegistry, *collectors: Any) -> None:
        """Register all of them, or none if one name is already taken."""
        registered = []
        try:
            for collector in collectors:
                registry.register(collector)
                registered.append(collector)
        except BaseException:
            for collector in registered:
                registry.unregister(collector)
            raise

    def add(self, wrapper: PrometheusWrapper) -> None:
        """Include the queues of this wrapper's handlers, as long as the wrapper lives."""
        self._wrappers[id(wrapper)] = wrapper

    def runs(self, name: str, kind: str) -> _Runs:
        found = self._runs.get((name, kind))
        if found is None:
            found = self._runs[name, kind] = _Runs(self, name, kind)
        return found

    def tally(self, name: str) -> _Tally:
        found = self._dispatched.get(name)
        return self._dispatched.setdefault(name, _Tally()) if found is None else found

    def describe(self) -> Iterator[Metric]:
        """Yield the metrics of :meth:`collect` without values. The registry calls this."""
        yield from self._families()

    def collect(self) -> Iterator[Metric]:
        """Yield what dispatches count. The registry calls this for each scrape."""
        dispatched, queue = self._families()
        lengths = dict.fromkeys(list(self._dispatched), 0)
        for wrapper in [ref() for ref in self._wrappers.valuerefs()]:
            for name, length in wrapper.queued() if wrapper is not None else ():
                lengths[name] = lengths.get(name, 0) + length
        for name, length in sorted(lengths.items()):
            dispatched.add_metric([name], self.tally(name).value())
            queue.add_metric([name], length)
        yield dispatched
        yield queue

    def _families(self) -> tuple[CounterMetricFamily, GaugeMetricFamily]:
        return (
            CounterMetricFamily(
                "handler_core_callbacks_dispatched",
                "Callbacks that were dispatched",
                labels=["handler"],
            ),
            GaugeMetricFamily(
                "handler_core_queue_length",
                "Dispatched callbacks that wait to run",
                labels=["handler"],
            ),
        )


# A native lock, also in a patched process. The process holds it while it forks, so a child finds it
# free.
_lock = _thread.RLock()
_metrics: weakref.WeakKeyDictionary[CollectorRegistry, weakref.ref[_Metrics]]
_metrics = weakref.WeakKeyDictionary()


def _metrics_of(registry: CollectorRegistry) -> _Metrics:
    """Return the metrics of a registry.

    The registry keeps its metrics alive. The metrics do not keep the registry alive.
    """
    with _lock:
        known = _metrics.get(registry)
        metrics = None if known is None else known()
        if metrics is None:
            metrics = _Metrics(registry)
            _metrics[registry] = weakref.ref(metrics)
        return metrics


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )
