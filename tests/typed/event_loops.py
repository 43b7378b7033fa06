"""Types come through where coroutines use a handler. ``make lint`` checks this, nobody runs it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from typing import Any, assert_type

from handler_core_greenlet import LoopHandler

from handler_core import AsyncResult, Handler, get_handler


class Client:
    """A client with a blocking life."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    def start(self, timeout: float = 15) -> None: ...

    def stop(self) -> None: ...

    def read(self, path: str, *, again: bool = False) -> bytes:
        return b""


@contextmanager
def locked(path: str) -> Iterator[int]:
    yield 1


async def shown(number: int) -> str:
    return str(number)


async def in_a_loop() -> None:
    async with get_handler("asyncio") as handler:
        assert_type(handler, Handler)
        assert_type(await handler.call(len, "abc"), int)
        assert_type(await handler.call(complex, 7, 2), complex)
        assert_type(await handler.call(shown, 1), str)
        async with handler.calling(locked("/a")) as number:
            assert_type(number, int)
        async for line in handler.iterating(io.StringIO()):
            assert_type(line, str)
        async with aclosing(handler.iterating([b"a"])) as items:
            async for item in items:
                assert_type(item, bytes)
        async with handler.started(Client(handler), timeout=5) as client:
            assert_type(client, Client)
            assert_type(await handler.call(client.read, "/a", again=True), bytes)
        result: AsyncResult[str] = handler.async_result()
        assert_type(await result, str)
        assert_type(await asyncio.wait_for(result, timeout=1), str)
        await asyncio.gather(handler.async_result(), handler.call(print))


def in_its_own_loop() -> None:
    assert_type(get_handler("asyncio").run_loop(shown, 1), str)


def on_threads() -> None:
    with get_handler("threading") as handler, handler.started(Client(handler)) as client:
        assert_type(client, Client)


class OtherHandler(LoopHandler):
    """The handler of a third party's loop."""

    name = "other"

    def only_here(self) -> int:
        return 1


async def in_another_loop(handler: OtherHandler) -> None:
    async with handler as started:
        assert_type(started, OtherHandler)
        assert_type(await started.call(started.only_here), int)
        async for number in started.iterating(range(3)):
            assert_type(number, int)
        async with started.calling(io.StringIO()) as file:
            assert_type(file, io.StringIO)
        async with started.started(Client(started)) as client:
            assert_type(client, Client)


async def any_handler(handler: Handler, function: Any) -> None:
    assert_type(await handler.call(function), Any)
