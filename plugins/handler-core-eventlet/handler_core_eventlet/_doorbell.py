"""The doorbell, by which another thread wakes an eventlet hub.

An eventlet hub sleeps in the kernel until a timer is due or a descriptor is ready. Nothing that
another thread does ends that sleep. So each hub watches one end of a socket pair, and a byte that
is sent into the other end wakes it.
"""

from __future__ import annotations

import _socket
import contextlib

__all__ = ["Doorbell"]


class Doorbell:
    """A socket pair. A hub watches its reading end.

    The sockets close when the last reference to the doorbell is dropped. So no thread sends into
    a descriptor that belongs to another file by then.
    """

    def __init__(self) -> None:
        self._reader, self._button = _socket.socketpair()
        self._reader.setblocking(False)
        self._button.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that the hub watches."""
        return self._reader.fileno()

    def ring(self) -> None:
        """Make the descriptor readable. Any thread may call this."""
        with contextlib.suppress(BlockingIOError):  # the pair is full of earlier rings
            self._button.send(b"\0")

    def silence(self) -> None:
        """Take back all rings."""
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(65536)

    def __del__(self) -> None:
        self._reader.close()
        self._button.close()
