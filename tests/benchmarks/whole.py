"""The whole way: kazoo's client against a ZooKeeper server, on our handler and on kazoo's.

One request at a time is compared with the same request on a bare socket, which no handler can beat.
"""

from __future__ import annotations

import contextlib
import gc
import math
import statistics
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from kazoo.client import KazooClient

from benchmarks.bare import BareClient, through_a_thread
from benchmarks.scale import Scale
from benchmarks.series import KAZOO, OURS, RAW, Series
from benchmarks.sides import new_handler

__all__ = [
    "GETS_AT_ONCE",
    "GETS_ONE_BY_ONE",
    "LATE_TYPICALLY",
    "LATE_WORST",
    "SETS_AT_ONCE",
    "SETS_ONE_BY_ONE",
    "measure",
]

GETS_AT_ONCE = "get, 5,000 in flight"
SETS_AT_ONCE = "set, 5,000 in flight"
GETS_ONE_BY_ONE = "get, one at a time"
SETS_ONE_BY_ONE = "set, one at a time"
LATE_TYPICALLY = "lateness of a sleep of 1 ms under full load, median"
LATE_WORST = "lateness of a sleep of 1 ms under full load, 99th percentile"

_PART = "whole"
_TIMEOUT = 60.0

# Seconds, and how often all requests are sent meanwhile.
_SLEEP = 0.001
_LATE_ROUNDS = 5
_DATA = b"x" * 100


def measure(model: str, scale: Scale, hosts: str) -> Iterator[Series]:
    """Let the two handlers take turns, each time with a new client.

    Logging is not configured, as in most programs. So kazoo makes no record below WARNING.
    """
    values: dict[tuple[str, str], list[float]] = {}
    for number in range(scale.alternations):
        sides = (OURS, KAZOO) if number % 2 == 0 else (KAZOO, OURS)
        for side in sides:
            client = KazooClient(hosts, handler=new_handler(side, model))
            client.start(timeout=_TIMEOUT)
            path = f"/benchmarks-{uuid.uuid4().hex}"
            client.create(path, _DATA, ephemeral=True)
            try:
                for row, seconds in _turn(client, path, scale):
                    values.setdefault((row, side), []).append(seconds)
                if model == "threading":
                    for row, seconds in _late(client, path, scale):
                        values.setdefault((row, side), []).append(seconds)
                for row, seconds in _bare_turn(model, hosts, path, scale):
                    values.setdefault((row, RAW), []).append(seconds)
            finally:
                client.delete(path)
                client.stop()
                client.close()
    for (row, side), seconds_each in values.items():
        yield Series(_PART, model, row, side, "second", seconds_each)


def _turn(client: KazooClient, path: str, scale: Scale) -> Iterator[tuple[str, float]]:
    """Measure each kind of request: seconds for one of them."""

    def get_async() -> Any:
        return client.get_async(path)

    def set_async() -> Any:
        return client.set_async(path, _DATA)

    _at_once(get_async, scale.one_by_one)  # warm up the connection and the server
    yield GETS_AT_ONCE, _at_once(get_async, scale.in_flight)
    yield SETS_AT_ONCE, _at_once(set_async, scale.in_flight)
    yield GETS_ONE_BY_ONE, _one_by_one(lambda: client.get(path), scale.one_by_one)
    yield SETS_ONE_BY_ONE, _one_by_one(lambda: client.set(path, _DATA), scale.one_by_one)
    value, stat = client.get(path)
    expected = scale.in_flight + scale.one_by_one
    if (value, stat.version) != (_DATA, expected):
        raise SystemExit(f"the node has version {stat.version}, where it should have {expected}")


def _bare_turn(model: str, hosts: str, path: str, scale: Scale) -> Iterator[tuple[str, float]]:
    """Measure a request at a time on a bare socket."""
    with contextlib.closing(BareClient(hosts)) as bare, contextlib.ExitStack() as stack:
        for row, request in (
            (GETS_ONE_BY_ONE, bare.get(path)),
            (SETS_ONE_BY_ONE, bare.set(path, _DATA)),
        ):
            if model == "threading":
                request = stack.enter_context(through_a_thread(request))
            yield row, _one_by_one(request, scale.one_by_one)


def _late(client: KazooClient, path: str, scale: Scale) -> Iterator[tuple[str, float]]:
    """Measure how late a thread wakes that has nothing to do with the client."""
    late = []
    over = threading.Event()

    def sleep() -> None:
        while not over.is_set():
            start = time.perf_counter()
            time.sleep(_SLEEP)
            late.append(time.perf_counter() - start - _SLEEP)

    thread = threading.Thread(target=sleep)
    thread.start()
    for _ in range(_LATE_ROUNDS):
        _at_once(lambda: client.get_async(path), scale.in_flight)
    over.set()
    thread.join()
    late.sort()
    yield LATE_TYPICALLY, statistics.median(late)
    yield LATE_WORST, late[math.ceil(0.99 * len(late)) - 1]


def _at_once(send: Callable[[], Any], count: int) -> float:
    gc.collect()
    start = time.perf_counter()
    results = [send() for _ in range(count)]
    for result in results:
        result.get(timeout=_TIMEOUT)
    return (time.perf_counter() - start) / count


def _one_by_one(request: Callable[[], Any], count: int) -> float:
    gc.collect()
    start = time.perf_counter()
    for _ in range(count):
        request()
    return (time.perf_counter() - start) / count
