"""The ZooKeeper client of this process. Whoever forks calls `connect` in each new process."""

import os
from typing import Any

from kazoo.client import KazooClient

from handler_core import get_handler

HOSTS = os.environ.get("ZOOKEEPER_HOSTS", "localhost:2181")

zk: Any = None  # the client, once `connect` has made it


def connect() -> None:
    """Make the client, and begin its session."""
    global zk
    zk = KazooClient(hosts=HOSTS, handler=get_handler())
    zk.start()


def disconnect() -> None:
    """End the session."""
    if zk is not None:
        zk.stop()
        zk.close()
