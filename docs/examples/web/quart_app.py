"""A Quart application that reads from ZooKeeper: ``GET /nodes/some/path`` is a node's data.

Run it by ``hypercorn quart_app:app``.
"""

import os
from collections.abc import AsyncGenerator

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from quart import Quart, Response, abort

from handler_core import get_handler

app = Quart(__name__)


@app.while_serving
async def connected() -> AsyncGenerator[None, None]:
    """Start the client with the application, and stop it at the end."""
    async with get_handler("asyncio") as handler:
        hosts = os.environ.get("ZOOKEEPER_HOSTS", "localhost:2181")
        app.extensions["zk"] = zk = KazooClient(hosts=hosts, handler=handler)
        async with handler.started(zk):
            yield


@app.get("/nodes/<path:path>")
async def node(path: str) -> Response:
    try:
        data, stat = await app.extensions["zk"].get_async(f"/{path}")
    except NoNodeError:
        abort(404)
    return Response(data, headers={"ETag": f'"{stat.version}"'}, mimetype="text/plain")
