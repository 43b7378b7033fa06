"""Gets from coroutines: ours on the loop itself, and other ways from the loop to ZooKeeper.

A program that has KazooClient and a loop does what the bridge does: the client lives in threads.
The program has its calls made there, or the results sent to the loop.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import math
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias

from kazoo.client import KazooClient

from benchmarks.scale import Scale
from benchmarks.series import OURS, Series
from handler_core import get_handler

__all__ = ["AIOZK", "AT_ONCE", "BRIDGE", "ONE_BY_ONE", "TURN", "Get", "Side", "measure"]

AT_ONCE = "get awaited, 5,000 in flight"
ONE_BY_ONE = "get awaited, one at a time"
TURN = "sleep(0) under full load, 99th percentile"

BRIDGE = "bridge"
AIOZK = "aiozk"

_PART = "coroutines"
_DATA = b"x" * 100

#: Gets the node.
Get: TypeAlias = Callable[[], Awaitable[Any]]

#: Takes the server's address and the node's path, and yields what gets the node.
Side: TypeAlias = Callable[[str, str], AbstractAsyncContextManager[Get]]


class _Library(Protocol):
    """A module of this package, ``MODEL_loop``: what differs between the libraries of loops."""

    #: The other ways to ZooKeeper, by side.
    SIDES: Mapping[str, Side]

    async def at_once(self, func: Callable[[], Awaitable[None]], count: int) -> None:
        """Call a coroutine function so many times, at once, and wait for all."""

    def beside(self, func: Callable[[], Awaitable[None]]) -> AbstractAsyncContextManager[object]:
        """Call a coroutine function beside a block, and wait for it at the end."""

    async def turn(self) -> None:
        """Let the loop run once."""


@contextlib.asynccontextmanager
async def _ours(model: str, hosts: str, path: str) -> AsyncIterator[Get]:
    async with get_handler(model) as handler:
        client = KazooClient(hosts, handler=handler)
        async with handler.started(client):
            yield lambda: client.get_async(path)


def measure(model: str, scale: Scale, hosts: str) -> Iterator[Series]:
    """Let all sides take turns, each time with a new client, in one loop."""
    values: dict[tuple[str, str], list[float]] = {}
    path = f"/benchmarks-{uuid.uuid4().hex}"
    keeper = KazooClient(hosts)
    keeper.start()
    keeper.create(path, _DATA)
    keeper.stop()
    keeper.close()
    get_handler(model).run_loop(_measure, model, scale, hosts, path, values)
    for (row, side), measured in values.items():
        yield Series(_PART, model, row, side, "second", measured)


async def _measure(
    model: str, scale: Scale, hosts: str, path: str, values: dict[tuple[str, str], list[float]]
) -> None:
    library: _Library = importlib.import_module(f"benchmarks.{model}_loop")
    sides: dict[str, Side] = {OURS: functools.partial(_ours, model), **library.SIDES}
    order = list(sides)
    for _ in range(scale.alternations):
        for side in order:
            async with sides[side](hosts, path) as get:
                await _at_once(library, get, scale.one_by_one)  # warm up connection and server
                at_once = await _at_once(library, get, scale.in_flight)
                values.setdefault((AT_ONCE, side), []).append(at_once)
                one_by_one = await _one_by_one(get, scale.one_by_one)
                values.setdefault((ONE_BY_ONE, side), []).append(one_by_one)
                if side == OURS:
                    turn = await _slowest_turns(library, get, scale)
                    values.setdefault((TURN, side), []).append(turn)
        order.append(order.pop(0))  # so no side always follows the same one


async def _checked(get: Get) -> None:
    data, _ = await get()
    if data != _DATA:
        raise SystemExit(f"the node has the data {data!r}, where it should have {_DATA!r}")


async def _at_once(library: _Library, get: Get, count: int) -> float:
    gc.collect()
    start = time.perf_counter()
    await library.at_once(functools.partial(_checked, get), count)
    return (time.perf_counter() - start) / count


async def _one_by_one(get: Get, count: int) -> float:
    gc.collect()
    start = time.perf_counter()
    for _ in range(count):
        await _checked(get)
    return (time.perf_counter() - start) / count


async def _slowest_turns(library: _Library, get: Get, scale: Scale) -> float:
    """Return the 99th percentile of the loop's turns while the client is under full load."""
    over = False

    async def keep_asking() -> None:
        while not over:
            await _checked(get)

    turns = []
    async with library.beside(lambda: library.at_once(keep_asking, scale.in_flight)):
        for _ in range(scale.one_by_one):  # until all have asked and answers come
            await library.turn()
        for _ in range(2 * scale.one_by_one):
            start = time.perf_counter()
            await library.turn()
            turns.append(time.perf_counter() - start)
        over = True
    return sorted(turns)[math.ceil(0.99 * len(turns)) - 1]
