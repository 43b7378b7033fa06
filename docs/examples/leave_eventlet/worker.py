"""Ten tasks share one client. The model is a name on the command line, and the rest stays."""

import asyncio
import os
import sys

from kazoo.client import KazooClient

from handler_core import Handler, get_handler

HOSTS = os.environ.get("ZOOKEEPER_HOSTS", "localhost:2181")


def work(handler: Handler, zk: KazooClient) -> None:
    """Create ten nodes. This blocks, so it is the same on every model."""
    paths = handler.queue_impl()

    def create(number: int) -> None:
        paths.put(zk.create("/moving/item-", str(number).encode(), sequence=True, makepath=True))

    for number in range(10):
        handler.spawn(create, number)
    created = {paths.get(timeout=30) for _ in range(10)}
    print(f"{handler.name}: created {len(created)} paths")


def main(model: str) -> None:
    """Run on eventlet, gevent or threads."""
    handler = get_handler(model)
    zk = KazooClient(hosts=HOSTS, handler=handler)
    zk.start()
    try:
        work(handler, zk)
    finally:
        zk.stop()
        zk.close()


async def main_in_a_loop() -> None:
    """Run on asyncio, beside coroutines."""
    async with get_handler("asyncio") as handler:
        zk = KazooClient(hosts=HOSTS, handler=handler)
        async with handler.started(zk):
            await handler.call(work, handler, zk)


if sys.argv[1] == "asyncio":
    asyncio.run(main_in_a_loop())
else:
    main(sys.argv[1])
