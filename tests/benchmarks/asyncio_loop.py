"""asyncio: the bridge by ``call_soon_threadsafe``, and aiozk, a client written for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiozk
from kazoo.client import KazooClient

from benchmarks.coroutines import AIOZK, BRIDGE, Get

__all__ = ["SIDES", "at_once", "beside", "bridged", "turn"]

turn = functools.partial(asyncio.sleep, 0)


async def at_once(func: Callable[[], Awaitable[None]], count: int) -> None:
    """Call a coroutine function so many times, at once, and wait for all."""
    await asyncio.gather(*(func() for _ in range(count)))


@contextlib.asynccontextmanager
async def beside(func: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Call a coroutine function beside a block, and wait for it at the end."""
    task = asyncio.ensure_future(func())
    yield
    await task


@contextlib.asynccontextmanager
async def _bridge(hosts: str, path: str) -> AsyncIterator[Get]:
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
async def _aiozk(hosts: str, path: str) -> AsyncIterator[Get]:
    client = aiozk.ZKClient(hosts)
    await client.start()
    yield lambda: client.get(path)
    await client.close()


SIDES = {BRIDGE: _bridge, AIOZK: _aiozk}
