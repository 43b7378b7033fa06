"""Blocking libraries on our models, on plain threads, and beside libraries written for asyncio.

A program picks a library for its server. It runs a blocking one on threads, or on a handler, or it
takes another library that is written for asyncio. Each side has 20 connections, and a task for each
of them, which makes one small request after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, NamedTuple, TypeAlias

import aiomcache
import aiomysql
import psycopg
import psycopg2
import pymemcache
import pymysql
import redis
import redis.asyncio
from handler_core_clients import psycopg as our_psycopg
from handler_core_clients import psycopg2 as our_psycopg2
from handler_core_clients import pymemcache as our_pymemcache
from handler_core_clients import pymysql as our_pymysql
from handler_core_clients.redis import ConnectionPool

from benchmarks.client_rows import MEMCACHED, MYSQL, NATIVE, PSYCOPG, PSYCOPG2, REDIS, THREADS
from benchmarks.scale import Scale
from benchmarks.series import OURS, Series
from benchmarks.sides import ASYNCIO
from handler_core import AsyncResult, Handler, get_handler, wrap

__all__ = ["TASKS", "measure"]

#: How many tasks, threads and connections a side has.
TASKS = 20

_PART = "clients"
_DATA = b"x" * 100

#: Makes one request, and returns the answer.
Ask: TypeAlias = Callable[[], Any]
AskNative: TypeAlias = Callable[[], Awaitable[Any]]


class Library(NamedTuple):
    """A library. Each function takes the server's port, and yields what makes a request."""

    answer: object
    ours: Callable[[Handler, int], AbstractContextManager[Ask]]
    plain: Callable[[int], AbstractContextManager[Ask]]
    native: Callable[[int], AbstractAsyncContextManager[AskNative]] | None


@contextlib.contextmanager
def _our_redis(handler: Handler, port: int) -> Iterator[Ask]:
    pool = ConnectionPool(handler, host="localhost", port=port, max_connections=1)
    with redis.Redis(connection_pool=pool) as client:
        client.set("key", _DATA)
        yield lambda: client.get("key")
    pool.close()


@contextlib.contextmanager
def _redis(port: int) -> Iterator[Ask]:
    with redis.Redis(port=port) as client:
        client.set("key", _DATA)
        yield lambda: client.get("key")


@contextlib.asynccontextmanager
async def _native_redis(port: int) -> AsyncIterator[AskNative]:
    async with redis.asyncio.Redis(port=port, single_connection_client=True) as client:
        await client.set("key", _DATA)
        yield lambda: client.get("key")


@contextlib.contextmanager
def _our_memcached(handler: Handler, port: int) -> Iterator[Ask]:
    client = our_pymemcache.Client(handler, ("localhost", port))
    client.set("key", _DATA, noreply=False)
    yield lambda: client.get("key")
    client.close()


@contextlib.contextmanager
def _memcached(port: int) -> Iterator[Ask]:
    client = pymemcache.Client(("localhost", port))
    client.set("key", _DATA, noreply=False)
    yield lambda: client.get("key")
    client.close()


@contextlib.asynccontextmanager
async def _native_memcached(port: int) -> AsyncIterator[AskNative]:
    client = aiomcache.Client("localhost", port, pool_size=1)
    await client.set(b"key", _DATA)
    yield lambda: client.get(b"key")
    await client.close()


def _dsn(port: int) -> str:
    return f"host=localhost port={port} user=tester dbname=postgres"


@contextlib.contextmanager
def _our_psycopg(handler: Handler, port: int) -> Iterator[Ask]:
    with our_psycopg.connect(handler, _dsn(port), autocommit=True) as connection:
        yield lambda: connection.execute("SELECT 1").fetchone()


@contextlib.contextmanager
def _psycopg(port: int) -> Iterator[Ask]:
    with psycopg.connect(_dsn(port), autocommit=True) as connection:
        yield lambda: connection.execute("SELECT 1").fetchone()


@contextlib.asynccontextmanager
async def _native_psycopg(port: int) -> AsyncIterator[AskNative]:
    connection = await psycopg.AsyncConnection.connect(_dsn(port), autocommit=True)

    async def ask() -> Any:
        return await (await connection.execute("SELECT 1")).fetchone()

    async with connection:
        yield ask


@contextlib.contextmanager
def _our_psycopg2(handler: Handler, port: int) -> Iterator[Ask]:
    our_psycopg2.install(handler)
    connection = our_psycopg2.connect(handler, _dsn(port))
    connection.autocommit = True
    with _asking(connection) as ask:
        yield ask
    our_psycopg2.uninstall()


@contextlib.contextmanager
def _psycopg2(port: int) -> Iterator[Ask]:
    connection = psycopg2.connect(_dsn(port))
    connection.autocommit = True
    with _asking(connection) as ask:
        yield ask


@contextlib.contextmanager
def _our_pymysql(handler: Handler, port: int) -> Iterator[Ask]:
    options = _mysql(port)
    with _asking(our_pymysql.connect(handler, **options)) as ask:
        yield ask


@contextlib.contextmanager
def _pymysql(port: int) -> Iterator[Ask]:
    with _asking(pymysql.connect(**_mysql(port))) as ask:
        yield ask


@contextlib.asynccontextmanager
async def _native_mysql(port: int) -> AsyncIterator[AskNative]:
    connection = await aiomysql.connect(**_mysql(port))

    async def ask() -> Any:
        async with connection.cursor() as cursor:
            await cursor.execute("SELECT 1")
            return await cursor.fetchone()

    yield ask
    connection.close()


def _mysql(port: int) -> dict[str, Any]:
    return {"host": "localhost", "port": port, "user": "tester", "password": "secret"}


@contextlib.contextmanager
def _asking(connection: Any) -> Iterator[Ask]:
    """Yield what makes a query by PEP 249."""

    def ask() -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchone()

    yield ask
    connection.close()


# By row.
_LIBRARIES: Mapping[str, Library] = {
    REDIS: Library(_DATA, _our_redis, _redis, _native_redis),
    MEMCACHED: Library(_DATA, _our_memcached, _memcached, _native_memcached),
    PSYCOPG: Library((1,), _our_psycopg, _psycopg, _native_psycopg),
    PSYCOPG2: Library((1,), _our_psycopg2, _psycopg2, None),
    MYSQL: Library((1,), _our_pymysql, _pymysql, _native_mysql),
}


def measure(model: str, scale: Scale, ports: Mapping[str, int]) -> Iterator[Series]:
    """Let all sides take turns, each time with new connections.

    Args:
        model: the concurrency model.
        scale: how much to measure.
        ports: where the servers listen, by row.
    """
    for row, library in _LIBRARIES.items():
        port = ports[row]
        sides: dict[str, Callable[[], float]] = {
            OURS: functools.partial(_on_model, model, library, port, scale),
            THREADS: functools.partial(_on_threads, library, port, scale),
        }
        if model == ASYNCIO and library.native is not None:
            sides[NATIVE] = functools.partial(
                _on_asyncio, library.native, library.answer, port, scale
            )
        values: dict[str, list[float]] = {side: [] for side in sides}
        order = list(sides)
        for _ in range(scale.alternations):
            for side in order:
                gc.collect()
                values[side].append(sides[side]())
            order.append(order.pop(0))  # so no side always follows the same one
        for side, measured in values.items():
            yield Series(_PART, model, row, side, "second", measured)


def _on_model(model: str, library: Library, port: int, scale: Scale) -> float:
    handler = get_handler(model)

    def ask_all() -> float:
        with contextlib.ExitStack() as stack:
            asks = [stack.enter_context(library.ours(handler, port)) for _ in range(TASKS)]
            start = time.perf_counter()
            results: list[AsyncResult[int]] = [handler.callback_object() for _ in asks]
            for ask, result in zip(asks, results, strict=True):
                handler.spawn(wrap(result)(_repeat), ask, library.answer, scale)
            for result in results:
                result.get()
            return _each(start, scale)

    async def main() -> float:
        async with handler:
            return await handler.call(ask_all)

    if handler.has_event_loop:
        return handler.run_loop(main)
    with handler:
        return ask_all()


def _on_threads(library: Library, port: int, scale: Scale) -> float:
    with contextlib.ExitStack() as stack:
        asks = [stack.enter_context(library.plain(port)) for _ in range(TASKS)]
        threads = stack.enter_context(ThreadPoolExecutor(TASKS))
        start = time.perf_counter()
        for future in [threads.submit(_repeat, ask, library.answer, scale) for ask in asks]:
            future.result()
        return _each(start, scale)


def _on_asyncio(
    connect: Callable[[int], AbstractAsyncContextManager[AskNative]],
    answer: object,
    port: int,
    scale: Scale,
) -> float:
    async def repeat(ask: AskNative) -> None:
        for _ in range(_count(scale)):
            _check(await ask(), answer)

    async def main() -> float:
        async with contextlib.AsyncExitStack() as stack:
            asks = [await stack.enter_async_context(connect(port)) for _ in range(TASKS)]
            start = time.perf_counter()
            await asyncio.gather(*map(repeat, asks))
            return _each(start, scale)

    return asyncio.run(main())


def _repeat(ask: Ask, answer: object, scale: Scale) -> int:
    """Make the requests of one task; return how many."""
    for _ in range(_count(scale)):
        _check(ask(), answer)
    return _count(scale)


def _check(got: object, answer: object) -> None:
    if got != answer:
        raise SystemExit(f"the server has answered {got!r}, where it should have {answer!r}")


def _count(scale: Scale) -> int:
    return max(1, scale.one_by_one // 5)


def _each(start: float, scale: Scale) -> float:
    return (time.perf_counter() - start) / (TASKS * _count(scale))
