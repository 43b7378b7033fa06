"""Helpers that several test modules share."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException

from handler_core import AsyncResult, Handler
from handler_core.testing import ZooKeeperServer

#: Seconds that anything may take before it counts as hanging.
LONG = 60.0

#: How many requests are under way when a connection is lost.
IN_FLIGHT = 1_000


def in_background(handler: Handler, func: Callable[..., Any], *args: Any) -> AsyncResult[Any]:
    """Run a function in a task of its own. Its outcome becomes the outcome of the result."""
    result = handler.async_result()

    def run() -> None:
        try:
            value = func(*args)
        except Exception as exception:
            result.set_exception(exception)
        else:
            result.set(value)

    handler.spawn(run)
    return result


def eventually(handler: Handler, condition: Callable[[], bool]) -> None:
    """Wait for a condition that nothing signals: look again and again."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        handler.sleep_func(0.02)


def freeze(handler: Handler, server: ZooKeeperServer) -> None:
    """Freeze the server's process. From then on it answers nothing."""
    os.kill(server.pid, signal.SIGSTOP)
    threads = Path(f"/proc/{server.pid}/task")

    def is_stopped(thread: Path) -> bool:
        # The state follows the name, which is in parentheses. A thread may end before it is read.
        with contextlib.suppress(FileNotFoundError):
            return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"
        return True

    # `kill` returns before the signal has arrived. Each thread stops when it notices the signal.
    eventually(handler, lambda: all(map(is_stopped, threads.iterdir())))


class Recorder:
    """Keeps the arguments of its calls, and lets a test wait for a call."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._changed = handler.event_object()
        self.calls: list[Any] = []

    def __call__(self, *args: Any) -> None:
        self.calls.append(args[0] if len(args) == 1 else args)
        self._changed.set()

    def wait_for(self, call: Any) -> None:
        """Wait until it has been called with exactly this."""
        self.wait_until(lambda: call in self.calls)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on the calls holds."""
        while not condition():
            assert self._changed.wait(LONG), f"it did not come; the calls were {self.calls}"
            self._changed.clear()


def many_requests(client: KazooClient, count: int = IN_FLIGHT) -> list[AsyncResult[Any]]:
    """Send requests of many kinds. One in eight is answered with an error."""
    requests: list[Callable[[str], AsyncResult[Any]]] = [
        lambda node: client.create_async(node, b"value", makepath=True),
        lambda node: client.get_async("/node"),
        lambda node: client.set_async("/node", node.encode()),
        lambda node: client.exists_async(node),
        lambda node: client.get_children_async("/node"),
        lambda node: client.ensure_path_async(node),
        lambda node: client.sync_async("/node"),
        lambda node: client.get_async(f"{node}/none"),
    ]
    return [requests[n % len(requests)](f"/node/{n // 8}/{n}") for n in range(count)]


def assert_all_end(results: list[AsyncResult[Any]]) -> int:
    """Wait for every result. Return how many ended with an exception."""
    for result in results:
        assert result.wait(LONG), f"{result} does not end"
        assert result.successful() or isinstance(result.exception, KazooException)
    return sum(not result.successful() for result in results)


def expire(client: KazooClient, lost: Any) -> None:
    """End a client's session without the client, as a server does if a client is away too long.

    Another connection takes the session over and closes it, in one packet. It must be one packet,
    because the server drops the client at the take-over. The client then reconnects at once, and
    may take the session back. ``lost`` is an event that the client's listener sets.
    """
    session_id, password = client.client_id
    connect = struct.pack("!iqiqi16s?", 0, 0, 10_000, session_id, 16, password, False)
    close = struct.pack("!ii", 1, -11)
    packets = b"".join(struct.pack("!i", len(packet)) + packet for packet in (connect, close))
    while not lost.is_set():
        address = next(iter(client.hosts))
        connection = client.handler.create_connection(address, timeout=LONG)
        # If the client was quicker, the server does not read on, and the connection is reset.
        with contextlib.closing(connection), contextlib.suppress(ConnectionError):
            connection.sendall(packets)
            while connection.recv(8192):
                pass
        lost.wait(2)
