"""Gets from coroutines: ours on the loop itself, kazoo's threads bridged to it, and aiozk.

A program that has KazooClient and a loop does what the bridge does: the client lives in threads,
and ``call_soon_threadsafe`` sends each result to the loop. aiozk is a client written for asyncio.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import aiozk
from kazoo.client import KazooClient

from benchmarks.scale import Scale
from benchmarks.series import OURS, Series
from benchmarks.sides import ASYNCIO
from handler_core import get_handler

__all__ = ["AIOZK", "AT_ONCE", "BRIDGE", "ONE_BY_ONE", "TURN", "bridged", "measure"]

AT_ONCE = "get awaited, 5,000 in flight"
ONE_BY_ONE = "get awaited, one at a time"
TURN = "sleep(0) under full load, 99th percentile"

BRIDGE = "bridge"
AIOZK = "aiozk"

_PART = "coroutines"
_TIMEOUT = 120.0
_DATA = b"x" * 100

_Get: TypeAlias = Callable[[], Awaitable[Any]]


@contextlib.asynccontextmanager
async def _ours(hosts: str, path: str) -> AsyncIterator[_Get]:
    handler: Any = get_handler("asyncio")
    async with handler:
        client = KazooClient(hosts, handler=handler)
        await handler.call(client.start)
        yield lambda: client.get_async(path)
        await handler.call(client.stop)
        await handler.call(client.close)


@contextlib.asynccontextmanager
async def _bridge(hosts: str, path: str) -> AsyncIterator[_Get]:
    loop = asyncio.get_running_loop()
    client = KazooClient(hosts)
    await asyncio.to_thread(client.start)

    yield lambda: bridged(loop, client.get_async(path))
    await asyncio.to_thread(client.stop)
    await asyncio.to_thread(client.close)


def bridged(loop: asyncio.AbstractEventLoop, result: Any) -> asyncio.Future[Any]:
    """Return a future of the loop that gets the outcome of a result of kazoo's threads."""
    future = loop.create_future()
    result.rawlink(lambda result: loop.call_soon_threadsafe(_settle, future, result))
    return future


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        if result.exception is not None:
            future.set_exception(result.exception)
        else:
            future.set_result(result.value)


@contextlib.asynccontextmanager
async def _aiozk(hosts: str, path: str) -> AsyncIterator[_Get]:
    client = aiozk.ZKClient(hosts)
    await client.start()
    yield lambda: client.get(path)
    await client.close()


_SIDES = {OURS: _ours, BRIDGE: _bridge, AIOZK: _aiozk}


def measure(scale: Scale, hosts: str) -> Iterator[Series]:
    """Let the three take turns, each time with a new client, in one loop."""
    values: dict[tuple[str, str], list[float]] = {}
    asyncio.run(_measure(scale, hosts, values))
    for (row, side), measured in values.items():
        yield Series(_PART, ASYNCIO, row, side, "second", measured)


async def _measure(scale: Scale, hosts: str, values: dict[tuple[str, str], list[float]]) -> None:
    path = f"/benchmarks-{uuid.uuid4().hex}"
    keeper = aiozk.ZKClient(hosts)
    await keeper.start()
    await keeper.create(path, _DATA)
    sides = list(_SIDES)
    for _ in range(scale.alternations):
        for side in sides:
            async with asyncio.timeout(_TIMEOUT), _SIDES[side](hosts, path) as get:
                await _at_once(get, scale.one_by_one)  # warm up the connection and the server
                at_once = await _at_once(get, scale.in_flight)
                values.setdefault((AT_ONCE, side), []).append(at_once)
                one_by_one = await _one_by_one(get, scale.one_by_one)
                values.setdefault((ONE_BY_ONE, side), []).append(one_by_one)
                if side == OURS:
                    turn = await _slowest_turns(get, scale)
                    values.setdefault((TURN, side), []).append(turn)
        sides.append(sides.pop(0))  # so no side always follows the same one
    await keeper.delete(path)
    await keeper.close()


async def _checked(get: _Get) -> None:
    data, _ = await get()
    if data != _DATA:
        raise SystemExit(f"the node has the data {data!r}, where it should have {_DATA!r}")


async def _at_once(get: _Get, count: int) -> float:
    gc.collect()
    start = time.perf_counter()
    await asyncio.gather(*(_checked(get) for _ in range(count)))
    return (time.perf_counter() - start) / count


async def _one_by_one(get: _Get, count: int) -> float:
    gc.collect()
    start = time.perf_counter()
    for _ in range(count):
        await _checked(get)
    return (time.perf_counter() - start) / count


async def _slowest_turns(get: _Get, scale: Scale) -> float:
    """Return the 99th percentile of the loop's turns while the client is under full load."""
    over = False

    async def keep_asking() -> None:
        while not over:
            await _checked(get)

    asking = asyncio.gather(*(keep_asking() for _ in range(scale.in_flight)))
    for _ in range(scale.one_by_one):  # until all have asked and answers come
        await asyncio.sleep(0)
    turns = []
    for _ in range(2 * scale.one_by_one):
        start = time.perf_counter()
        await asyncio.sleep(0)
        turns.append(time.perf_counter() - start)
    over = True
    await asking
    return sorted(turns)[math.ceil(0.99 * len(turns)) - 1]
