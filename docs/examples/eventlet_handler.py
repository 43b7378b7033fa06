"""A client on eventlet: a pool of green threads shares it."""

import os

import eventlet
from handler_core_eventlet import SequentialEventletHandler
from kazoo.client import KazooClient

# Create client with eventlet handler
handler = SequentialEventletHandler()
zk = KazooClient(hosts=os.environ.get("ZOOKEEPER_HOSTS", "localhost:2181"), handler=handler)


def async_worker(path: str, data: str) -> str | None:
    """Async worker using eventlet."""
    try:
        # Create node
        actual_path: str = zk.create(path, data.encode(), sequence=True, makepath=True)

        # Simulate async work
        eventlet.sleep(0.5)

        # Read back data
        read_data, _ = zk.get(actual_path)
        print(f"Created {actual_path}: {read_data.decode()}")

        return actual_path

    except Exception as e:
        print(f"Worker failed for {path}: {e}")
        return None


try:
    zk.start()

    # Create multiple async workers
    pool = eventlet.GreenPool(10)

    results = []
    for i in range(10):
        future = pool.spawn(async_worker, "/eventlet-test/item-", f"data-{i}")
        results.append(future)

    # Wait for all to complete
    paths = [future.wait() for future in results]
    successful_paths = [p for p in paths if p is not None]

    print(f"Successfully created {len(successful_paths)} paths")

finally:
    zk.stop()
