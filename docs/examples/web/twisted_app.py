"""A Twisted application that reads from ZooKeeper: ``GET /some/path`` is a node's data.

Twisted's reactor runs on asyncio's loop here. Run it by ``python twisted_app.py``.
"""

import asyncio
import os
from collections.abc import Coroutine
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError
from twisted.internet import asyncioreactor

from handler_core import get_handler

loop = asyncio.new_event_loop()
asyncioreactor.install(loop)  # before anything imports the reactor

from twisted.internet import reactor  # noqa: E402
from twisted.internet.defer import Deferred  # noqa: E402
from twisted.python.failure import Failure  # noqa: E402
from twisted.web.resource import Resource  # noqa: E402
from twisted.web.server import NOT_DONE_YET, Request, Site  # noqa: E402


def in_task(coroutine: Coroutine[Any, Any, Any]) -> Deferred[Any]:
    """Run a coroutine as a task of asyncio, where it can await what handler-core has."""
    return Deferred.fromFuture(loop.create_task(coroutine))


class Nodes(Resource):
    isLeaf = True

    def __init__(self, zk: KazooClient) -> None:
        super().__init__()
        self.zk = zk

    def render_GET(self, request: Request) -> int:
        in_task(self.answer(request)).addErrback(request.processingFailed)
        return NOT_DONE_YET

    async def answer(self, request: Request) -> None:
        try:
            data, stat = await self.zk.get_async(request.path.decode())
        except NoNodeError:
            request.setResponseCode(404)
        else:
            request.setHeader("Content-Type", "text/plain")
            request.setHeader("ETag", f'"{stat.version}"')
            request.write(data)
        request.finish()


async def serve(stopping: asyncio.Event) -> None:
    async with get_handler("asyncio") as handler:
        hosts = os.environ.get("ZOOKEEPER_HOSTS", "localhost:2181")
        zk = KazooClient(hosts=hosts, handler=handler)
        async with handler.started(zk):
            port = reactor.listenTCP(int(os.environ.get("PORT", 8888)), Site(Nodes(zk)))
            print("listening on port", port.getHost().port, flush=True)
            await stopping.wait()
            await port.stopListening().asFuture(loop)


def main() -> None:
    stopping = asyncio.Event()
    serving = in_task(serve(stopping))
    failures: list[Failure] = []

    def failed(failure: Failure) -> None:
        failures.append(failure)
        reactor.stop()

    def stop() -> Deferred[Any]:
        stopping.set()
        return serving

    serving.addErrback(failed)
    # Ctrl-C stops the reactor. It waits until the client has stopped.
    reactor.addSystemEventTrigger("before", "shutdown", stop)
    reactor.run()
    for failure in failures:
        failure.raiseException()


if __name__ == "__main__":
    main()
