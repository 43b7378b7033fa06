"""A Starlette application that watches a node of ZooKeeper, and takes a lock.

Run it by ``uvicorn starlette_app:app``. FastAPI takes the same ``lifespan``.

- ``GET /greeting`` is the node's value, without a request to ZooKeeper: a watch keeps it.
- ``GET /greeting/next`` waits until the value changes.
- ``POST /visits`` adds one to a counter that all processes share, under a lock.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from kazoo.client import KazooClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from handler_core import get_handler


class Greeting:
    """The value of a node, as a watch has told it."""

    def __init__(self) -> None:
        self.value = b""
        self.changed = asyncio.Event()

    def update(self, data: bytes | None, stat: object) -> None:
        """Be called by the watch, on the loop's thread."""
        self.value = data or b""
        self.changed.set()
        self.changed = asyncio.Event()


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, object]]:
    async with get_handler("asyncio") as handler:
        hosts = os.environ.get("ZOOKEEPER_HOSTS", "localhost:2181")
        zk = KazooClient(hosts=hosts, handler=handler)
        async with handler.started(zk):
            await handler.call(zk.ensure_path, "/web/visits")
            greeting = Greeting()
            await handler.call(zk.DataWatch, "/web/greeting", greeting.update)
            yield {"handler": handler, "zk": zk, "greeting": greeting}


async def current(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.state.greeting.value)


async def next_one(request: Request) -> PlainTextResponse:
    greeting = request.state.greeting
    await greeting.changed.wait()
    return PlainTextResponse(greeting.value)


async def visit(request: Request) -> PlainTextResponse:
    handler, zk = request.state.handler, request.state.zk
    async with handler.calling(zk.Lock("/web/lock")):
        data, stat = await zk.get_async("/web/visits")
        count = int(data or b"0") + 1
        await zk.set_async("/web/visits", b"%d" % count, stat.version)
    return PlainTextResponse(str(count))


app = Starlette(
    routes=[
        Route("/greeting", current),
        Route("/greeting/next", next_one),
        Route("/visits", visit, methods=["POST"]),
    ],
    lifespan=lifespan,
)
