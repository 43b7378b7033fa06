"""A Tornado application that reads from ZooKeeper: ``GET /nodes/some/path`` is a node's data."""

import asyncio
import os

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from tornado.httpserver import HTTPServer
from tornado.web import Application, HTTPError, RequestHandler

from handler_core import get_handler


class NodeHandler(RequestHandler):
    async def get(self, path: str) -> None:
        zk = self.settings["zk"]
        try:
            data, stat = await zk.get_async(path)
        except NoNodeError:
            raise HTTPError(404) from None
        self.set_header("ETag", f'"{stat.version}"')
        self.finish(data)


async def main(
    port: int = 8888,
    started: asyncio.Future[HTTPServer] | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until ``stop`` is set; set ``started`` to the server once it listens."""
    async with get_handler("asyncio") as handler:
        hosts = os.environ.get("ZOOKEEPER_HOSTS", "localhost:2181")
        zk = KazooClient(hosts=hosts, handler=handler)
        async with handler.started(zk):
            server = HTTPServer(Application([(r"/nodes(/.*)", NodeHandler)], zk=zk))
            server.listen(port, "127.0.0.1")
            if started is not None:
                started.set_result(server)
            await (stop or asyncio.Event()).wait()
            server.stop()
            await server.close_all_connections()


if __name__ == "__main__":
    asyncio.run(main())
