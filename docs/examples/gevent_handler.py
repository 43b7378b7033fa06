"""A client on gevent: several greenlets share it."""

import os

import gevent
from gevent import spawn
from handler_core_gevent import SequentialGeventHandler
from kazoo.client import KazooClient

# Create client with gevent handler
handler = SequentialGeventHandler()
zk = KazooClient(hosts=os.environ.get("ZOOKEEPER_HOSTS", "localhost:2181"), handler=handler)


def worker(worker_id: int, path_base: str) -> None:
    """Worker greenlet function."""
    try:
        # Each worker creates its own path
        path = f"{path_base}/worker-{worker_id}"
        zk.create(path, f"worker {worker_id} data".encode(), makepath=True)

        # Simulate some work
        gevent.sleep(1)

        # Update data
        zk.set(path, f"worker {worker_id} updated".encode())

        print(f"Worker {worker_id} completed")

    except Exception as e:
        print(f"Worker {worker_id} failed: {e}")


try:
    zk.start()

    # The nodes of an earlier run would be in the way
    zk.delete("/gevent-test", recursive=True)

    # Create base path
    zk.create("/gevent-test", b"base", makepath=True)

    # Spawn multiple worker greenlets
    greenlets = []
    for i in range(5):
        g = spawn(worker, i, "/gevent-test")
        greenlets.append(g)

    # Wait for all workers to complete
    gevent.joinall(greenlets)

    # List all worker paths
    children = zk.get_children("/gevent-test")
    print(f"Created paths: {children}")

finally:
    zk.stop()
