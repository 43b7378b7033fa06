"""A client on asyncio: requests are awaited, and a lock is taken by many tasks."""

import asyncio
import os

from handler_core_asyncio import SequentialAsyncioHandler
from kazoo.client import KazooClient

from handler_core import Handler


async def worker(handler: Handler, zk: KazooClient, number: int) -> None:
    """Add one to a counter, which nobody else changes meanwhile."""
    async with handler.calling(zk.Lock("/asyncio-test/lock", f"worker {number}")):
        data, stat = await zk.get_async("/asyncio-test/counter")
        await asyncio.sleep(0.01)  # anything that takes its time
        count = int(data) + 1
        await zk.set_async("/asyncio-test/counter", b"%d" % count, stat.version)
    print(f"Worker {number} completed")


async def main() -> None:
    async with SequentialAsyncioHandler() as handler:
        hosts = os.environ.get("ZOOKEEPER_HOSTS", "localhost:2181")
        zk = KazooClient(hosts=hosts, handler=handler)
        async with handler.started(zk):
            # The nodes of an earlier run would be in the way
            await handler.call(zk.delete, "/asyncio-test", recursive=True)
            await zk.create_async("/asyncio-test/counter", b"0", makepath=True)

            async with asyncio.timeout(30):
                await asyncio.gather(*(worker(handler, zk, number) for number in range(5)))

            data, _ = await zk.get_async("/asyncio-test/counter")
            print(f"Counter: {int(data)}")


asyncio.run(main())
