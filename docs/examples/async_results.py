"""Two ways to a result: a callback that is linked to it, and a thread that waits for it."""

import os
import threading
import time

from handler_core_threading import AsyncResult
from kazoo.client import KazooClient

from handler_core import get_handler

zk = KazooClient(
    hosts=os.environ.get("ZOOKEEPER_HOSTS", "localhost:2181"), handler=get_handler("threading")
)
zk.start()


def result_callback(async_result: AsyncResult) -> None:
    """Callback function for async result."""
    try:
        result = async_result.get_nowait()
        print(f"Callback received result: {result}")
    except Exception as e:
        print(f"Callback received exception: {e}")


try:
    # The node of an earlier run would be in the way
    zk.delete("/async-test", recursive=True)

    # Create async operation
    async_result = zk.create_async("/async-test", b"async data", makepath=True)

    # Link callback to be called when ready
    async_result.link(result_callback)

    # Wait for result in another thread
    def wait_for_result() -> None:
        try:
            path = async_result.get(timeout=10)
            print(f"Background thread got result: {path}")
        except Exception as e:
            print(f"Background thread got exception: {e}")

    thread = threading.Thread(target=wait_for_result)
    thread.start()

    # Main thread continues other work
    time.sleep(1)
    print("Main thread continuing...")

    # Wait for background thread
    thread.join()

    # Check if result is ready
    if async_result.ready():
        print(f"Result is ready: {async_result.successful()}")

finally:
    zk.stop()
