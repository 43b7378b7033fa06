"""A client with its own retry policies, on a handler that was started before it."""

import os

from handler_core_threading import SequentialThreadingHandler
from kazoo.client import KazooClient
from kazoo.retry import KazooRetry

# Configure custom handler with retry policy
handler = SequentialThreadingHandler()
handler.start()

# Configure retry policies; they must sleep as the handler does (here: time.sleep, the default)
connection_retry = KazooRetry(max_tries=3, delay=1, backoff=2)
command_retry = KazooRetry(max_tries=5, delay=0.1, backoff=1.5)

# Create client with custom configuration
zk = KazooClient(
    # All members of the ensemble, such as "zk1:2181,zk2:2181,zk3:2181"
    hosts=os.environ.get("ZOOKEEPER_HOSTS", "localhost:2181"),
    handler=handler,
    connection_retry=connection_retry,
    command_retry=command_retry,
    timeout=30.0,
)


def state_listener(state: str) -> None:
    print(f"State changed to: {state}")


zk.add_listener(state_listener)

try:
    zk.start(timeout=15)

    # The node of an earlier run would be in the way
    zk.delete("/custom-handler-test", recursive=True)

    # Perform operations with custom handler
    result = zk.create("/custom-handler-test", b"handler data", makepath=True)
    print(f"Created with custom handler: {result}")

finally:
    zk.stop()
    handler.stop()
