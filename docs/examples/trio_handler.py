"""A client on trio: requests are awaited, and a lock is taken by many tasks."""

import os

import trio
from handler_core_trio import SequentialTrioHandler
from kazoo.client import KazooClient

from handler_core import Handler


async def worker(handler: Handler, zk: KazooClient, number: int) -> None:
    """Add one to a counter, which nobody else changes meanwhile."""
    async with handler.calling(zk.Lock("/trio-test/lock", f"worker {number}")):
        data, stat = await zk.get_async("/trio-test/counter")
        await trio.sleep(0.01)  # anything that takes its time
        count = int(data) + 1
        await zk.set_async("/trio-test/counter", b"%d" % count, stat.version)
    print(f"Worker {number} completed")


async def main() -> None:
    async with SequentialTrioHandler() as handler:
        hosts = os.environ.get("ZOOKEEPER_HOSTS", "localhost:2181")
        zk = KazooClient(hosts=hosts, handler=handler)
        async with handler.started(zk):
            # The nodes of an earlier run would be in the way
            await handler.call(zk.delete, "/trio-test", recursive=True)
            await zk.create_async("/trio-test/counter", b"0", makepath=True)

            with trio.fail_after(30):
                async with trio.open_nursery() as nursery:
                    for number in range(5):
                        nursery.start_soon(worker, handler, zk, number)

            data, _ = await zk.get_async("/trio-test/counter")
            print(f"Counter: {int(data)}")


trio.run(main)
