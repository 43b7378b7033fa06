"""A signal interrupts a ``send``, and its handler waits for the reader."""

from __future__ import annotations

import threading
from typing import Any

from handler_core import create_socket_pair


class Interrupted:
    """A sender that calls a signal handler as soon as the kernel has taken the data."""

    def __init__(self, sender: Any, handle_signal: Any) -> None:
        self._sender = sender
        self._handle_signal = handle_signal

    def send(self, data: Any, flags: int) -> int:
        sent: int = self._sender.send(data, flags)
        self._handle_signal()
        return sent

    def close(self) -> None:
        self._sender.close()


def test_the_reader_goes_on_while_a_sender_is_interrupted() -> None:
    reader, writer = create_socket_pair()
    received: list[bytes] = []

    def wait_for_the_reader() -> None:
        task = threading.Thread(target=lambda: received.append(reader.recv(1)), daemon=True)
        task.start()
        task.join(10)

    direction = writer._outgoing
    direction._sender = Interrupted(direction._sender, wait_for_the_reader)
    writer.send(b"x")
    assert received == [b"x"]
    reader.close()
    writer.close()


def test_nothing_is_stuck_between_a_full_buffer_and_a_quick_reader() -> None:
    """Every byte arrives, though readers check for a backlog without the lock."""
    reader, writer = create_socket_pair()
    count = 200_000

    def write() -> None:
        for _ in range(count):
            writer.send(b"x")

    tasks = [threading.Thread(target=write, daemon=True) for _ in range(2)]
    for task in tasks:
        task.start()
    reader.settimeout(60)
    left = 2 * count
    while left:
        left -= len(reader.recv(5_000))
    for task in tasks:
        task.join(60)
    assert not writer._outgoing._backlog
    reader.close()
    writer.close()
