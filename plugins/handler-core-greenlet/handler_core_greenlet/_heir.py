"""The socket that sends what a closed connection has left.

The kernel may be full when a connection is closed. Then an heir takes over what is left, and the
descriptor. A greenlet of the loop sends it, and closes the descriptor. As the kernel would, it
gives up if the other end takes nothing for long.
"""

from __future__ import annotations

import _socket
import contextlib
import functools
import os
from typing import Any

from handler_core_greenlet import socket as _sockets
from handler_core_greenlet._hub import LoopHub
from handler_core_greenlet._late_sends import Unsent, give_up, send_without_loop
from handler_core_greenlet._native import allocate_lock
from handler_core_greenlet._sleep_and_select import select

__all__ = ["Heir", "leave_unsent", "send_in_loop"]

#: For how many seconds the other end may take nothing while the loop runs.
_LONGEST_STALL = 60.0


class Heir:
    """Sends ``data`` for a connection.

    Args:
        connection: whose data it is.
        fd: a descriptor of the connection, which belongs to the heir from now on.
        data: what is left.
        ends_stream: whether to shut down the sending direction afterwards.
    """

    def __init__(self, connection: Any, fd: int, data: bytearray, ends_stream: bool) -> None:
        self._sock = _sockets.socket(connection.family, connection.type, connection.proto, fd)
        self._sock.settimeout(connection.gettimeout())
        self._data = data
        self._ends_stream = ends_stream
        self._process = os.getpid()
        self._lock = allocate_lock()
        self.fileno = self._sock.fileno
        self.gettimeout = self._sock.gettimeout

    def offer(self) -> bool:
        """Give the kernel what it takes; return True if it takes any."""
        if not self.count_unsent():  # in a forked child, the lock may be taken for ever
            return False
        with self._lock:
            if not self._data:
                return False
            try:
                sent = _socket.socket.send(self._sock, self._data)
            except BlockingIOError:
                return False
            except OSError:  # the other end has gone
                sent = len(self._data)
            del self._data[:sent]
            if not self._data:
                self._end()
            return True

    def count_unsent(self) -> int:
        """Return how many bytes are left. In a forked child, none are."""
        return len(self._data) if self._process == os.getpid() else 0

    def forget_unsent(self) -> None:
        """Close the descriptor."""
        with self._lock:
            self._data.clear()
            self._end()

    def _end(self) -> None:
        if self._ends_stream:
            with contextlib.suppress(OSError):  # the other end has gone
                self._sock.shutdown(_socket.SHUT_WR)
        self._sock.close()


def leave_unsent(heir: Unsent, hub: LoopHub) -> None:
    """Have a loop send what an heir has, or a thread if the loop has ended. From any thread."""
    hub.unsent.add(heir)
    if hub.has_ended():
        hub.unsent.discard(heir)
        send_without_loop([heir])
    else:
        hub.call(functools.partial(hub.spawn, functools.partial(_send_and_forget, heir, hub)))


def _send_and_forget(heir: Unsent, hub: LoopHub) -> None:
    send_in_loop(heir, _LONGEST_STALL)
    hub.unsent.discard(heir)


def send_in_loop(unsent: Unsent, patience: float | None = None) -> None:
    """Send all of it, in a greenlet of the loop.

    Args:
        unsent: what to send.
        patience: for how many seconds the other end may take nothing; None is for ever.
    """
    with contextlib.suppress(OSError, ValueError):  # it was closed, and has nothing left
        while unsent.count_unsent():
            _, writable, _ = select([], [unsent], [], patience)
            if patience is not None and not writable:
                give_up(unsent, patience)
            unsent.offer()
