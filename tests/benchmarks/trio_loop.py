"""trio: the bridge by ``trio.to_thread``, which is how trio's users call a client that blocks."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import trio
from kazoo.client import KazooClient

from benchmarks.coroutines import BRIDGE, Get

__all__ = ["SIDES", "at_once", "beside", "turn"]

turn = trio.lowlevel.checkpoint


async def at_once(func: Callable[[], Awaitable[None]], count: int) -> None:
    """Call a coroutine function so many times, at once, and wait for all."""
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(func)


@contextlib.asynccontextmanager
async def beside(func: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Call a coroutine function beside a block, and wait for it at the end."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(func)
        yield


@contextlib.asynccontextmanager
async def _bridge(hosts: str, path: str) -> AsyncIterator[Get]:
    client = KazooClient(hosts)
    await trio.to_thread.run_sync(client.start)
    yield lambda: trio.to_thread.run_sync(client.get, path)
    await trio.to_thread.run_sync(client.stop)
    await trio.to_thread.run_sync(client.close)


SIDES = {BRIDGE: _bridge}
