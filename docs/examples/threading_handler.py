"""A client on threads: asynchronous requests, and a listener for the connection's state."""

import os

from handler_core_threading import SequentialThreadingHandler
from kazoo.client import KazooClient

# Create client with threading handler
handler = SequentialThreadingHandler()
zk = KazooClient(hosts=os.environ.get("ZOOKEEPER_HOSTS", "localhost:2181"), handler=handler)


def connection_listener(state: str) -> None:
    print(f"Connection state changed: {state}")


zk.add_listener(connection_listener)

try:
    zk.start()

    # The node of an earlier run would be in the way
    zk.delete("/threading-test", recursive=True)

    # Perform async operations
    async_result = zk.create_async("/threading-test", b"test data", makepath=True)

    # Wait for result with timeout
    try:
        path = async_result.get(timeout=5.0)
        print(f"Created path: {path}")
    except Exception as e:
        print(f"Creation failed: {e}")

    # Multiple async operations
    get_result = zk.get_async("/threading-test")
    exists_result = zk.exists_async("/threading-test")

    # Wait for both results
    data, stat = get_result.get()
    exists_stat = exists_result.get()

    print(f"Data: {data}, Exists: {exists_stat is not None}")

finally:
    zk.stop()
