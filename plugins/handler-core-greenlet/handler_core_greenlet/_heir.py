"""The socket that sends what a closed connection has left.

The kernel may be full when a connection is closed. Then an heir takes over what is left, with a
duplicate of the descriptor. A greenlet of the loop sends it, and closes the duplicate.
"""

from __future__ import annotations

import _socket
import contextlib
import functools
import os
from typing import Any

from handler_core_greenlet import socket as _sockets
from handler_core_greenlet._hub import LoopHub
from handler_core_greenlet._late_sends import Unsent, send_without_loop
from handler_core_greenlet._native import allocate_lock
from handler_core_greenlet._sleep_and_select import select

__all__ = ["Heir", "leave_unsent", "send_in_loop"]


class Heir:
    """Sends ``data`` for a connection, and ends the connection's stream after it."""

    def __init__(self, connection: Any, data: bytearray) -> None:
        family, kind, proto = connection.family, connection.type, connection.proto
        self._sock = _sockets.socket(family, kind, proto, os.dup(connection.fileno()))
        self._sock.settimeout(connection.gettimeout())
        self._data = data
        self._process = os.getpid()
        self._lock = allocate_lock()
        self.fileno = self._sock.fileno
        self.gettimeout = self._sock.gettimeout

    def offer(self) -> bool:
        """Give the kernel what it takes; return True if it takes any."""
        with self._lock:
            if not self.count_unsent():
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
        """Close the duplicate."""
        with self._lock:
            self._data.clear()
            self._end()

    def _end(self) -> None:
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
    send_in_loop(heir)
    hub.unsent.discard(heir)


def send_in_loop(unsent: Unsent) -> None:
    """Send all of it, in a greenlet of the loop."""
    with contextlib.suppress(OSError, ValueError):  # it was closed, and has nothing left
        while unsent.count_unsent():
            select([], [unsent], [])
            unsent.offer()
