"""The load of the demo: many requests in flight, each with a callback, and the measurement."""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from handler_core import AsyncResult, Handler
from handler_core.cli.child.job import JobError, check_ran

__all__ = ["DISPATCH_EVERY", "WINDOW", "Load", "Measurement"]

#: How many requests are in flight.
WINDOW = 500

#: One request in this many causes a dispatched callback, besides its linked one.
DISPATCH_EVERY = 10

# Seconds.
_REPORT_INTERVAL = 0.1


class Measurement(NamedTuple):
    """The result of one run.

    Attributes:
        rate: the requests a second.
        linked: how many linked callbacks ran.
        dispatched: how many dispatched callbacks ran.
        p50: the median latency of a request in milliseconds, from sending it to its callback.
        p99: the 99th percentile of that latency.
        threads: the largest number of threads that the process had.
        in_loop: whether the client ran in an event loop, called by a coroutine.
    """

    rate: float
    linked: int
    dispatched: int
    p50: float
    p99: float
    threads: int
    in_loop: bool


class Load:
    """Sends requests, keeps :data:`WINDOW` of them in flight, and counts and times the callbacks.

    Linked callbacks send all requests. The callback of a result that is made for this sends the
    first ones, and the callback of each completed request sends one more. Linked callbacks run one
    at a time, in one worker of the handler, so the data that they share needs no lock.

    Args:
        handler: a running handler.
        requests: how many requests to send.
        send: sends the request of this number, counted from 0, and returns its result.
        is_right: tells whether this value is the right reply to the request of this number.
    """

    def __init__(
        self,
        handler: Handler,
        requests: int,
        send: Callable[[int], AsyncResult[Any]],
        is_right: Callable[[int, Any], bool],
    ) -> None:
        self._handler = handler
        self._requests = requests
        self._send = send
        self._is_right = is_right
        self._sent = 0
        self._latencies: list[float] = []
        self._finished: AsyncResult[None] = handler.async_result()
        self._dispatched = 0
        self._seconds = 0.0
        self._threads = 0

    def run(self, report: Callable[[int], object]) -> None:
        """Send the requests and wait for all linked callbacks.

        Args:
            report: called now and then with the number of requests that are done.

        Raises:
            JobError: a reply was wrong.
            Exception: the exception of the first request that failed.
        """
        start = time.perf_counter()
        begin = self._handler.async_result()
        begin.link(self._begin)
        begin.set()
        while not self._finished.wait(_REPORT_INTERVAL):
            report(len(self._latencies))
            self._threads = max(self._threads, threading.active_count())
        self._seconds = time.perf_counter() - start
        self._threads = max(self._threads, threading.active_count())
        self._finished.get()
        report(len(self._latencies))

    def count_dispatched(self, *args: object) -> None:
        """Count this call. The method itself is the dispatched callback."""
        self._dispatched += 1

    def measurement(self) -> Measurement:
        """Return the measurement. Call this after the handler has stopped.

        Raises:
            JobError: a callback did not run, or ran twice.
        """
        latencies = sorted(self._latencies)
        check_ran("linked", len(latencies), self._requests)
        check_ran("dispatched", self._dispatched, math.ceil(self._requests / DISPATCH_EVERY))
        return Measurement(
            rate=self._requests / self._seconds,
            linked=len(latencies),
            dispatched=self._dispatched,
            p50=_percentile(latencies, 50) * 1000,
            p99=_percentile(latencies, 99) * 1000,
            threads=self._threads,
            in_loop=self._handler.has_event_loop,
        )

    def _begin(self, begin: AsyncResult[Any]) -> None:
        for _ in range(min(WINDOW, self._requests)):
            self._send_next()

    def _send_next(self) -> None:
        number, self._sent = self._sent, self._sent + 1
        started = time.perf_counter()
        self._send(number).link(functools.partial(self._completed, number, started))

    def _completed(self, number: int, started: float, result: AsyncResult[Any]) -> None:
        self._latencies.append(time.perf_counter() - started)
        if result.exception is not None:
            self._finished.set_exception(result.exception)
        elif not self._is_right(number, result.value):
            self._finished.set_exception(
                JobError(f"request {number} was answered with {result.value!r}")
            )
        elif self._sent < self._requests:
            self._send_next()
        elif len(self._latencies) == self._requests:
            self._finished.set()


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest of the ordered values that ``percent`` of them do not exceed."""
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]
