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
        self._sockets = _Sockets()

    def fileno(self) -> int:
        """Return the descriptor that the hub watches."""
        return self._sockets.reader.fileno()

    def ring(self) -> None:
        """Make the descriptor readable. Any thread may call this."""
        with contextlib.suppress(BlockingIOError):  # the pair is full of earlier rings
            self._sockets.button.send(b"\0")

    def silence(self) -> None:
        """Take back all rings."""
        with contextlib.suppress(BlockingIOError):
            self._sockets.reader.recv(65536)


class _Sockets:
    """The sockets of a doorbell.

    They are an object of their own, because a weak reference to an object with ``__del__`` still
    gives the object while ``__del__`` runs. Other threads have weak references to the doorbell.
    """

    def __init__(self) -> None:
        self.reader, self.button = _socket.socketpair()
        self.reader.setblocking(False)
        self.button.setblocking(False)

    def __del__(self) -> None:
        self.reader.close()
        self.button.close()
