"""ZooKeeper's protocol on a bare socket: what a request costs without any client.

A client of the threading model has its loop in a second thread. So with threading, the bare
request is handed over to a second thread, and its answer is handed back. A lock does that, because
it is the cheapest thing that a thread can wait for.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

from kazoo.protocol.serialization import Connect, GetData, SetData

__all__ = ["BareClient", "through_a_thread"]

_LENGTH = struct.Struct("!i")
_SESSION_MILLISECONDS = 60_000


class BareClient:
    """A session with a server, one request at a time."""

    def __init__(self, hosts: str) -> None:
        host, _, port = hosts.rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connect = Connect(0, 0, _SESSION_MILLISECONDS, 0, bytes(16), False)
        self._exchange(connect.serialize())

    def close(self) -> None:
        """End the session with the connection."""
        self._socket.close()

    def get(self, path: str) -> Callable[[], None]:
        """Return a function that gets a node."""
        return self._requesting(GetData(path, None))

    def set(self, path: str, data: bytes) -> Callable[[], None]:
        """Return a function that sets a node."""
        return self._requesting(SetData(path, data, -1))

    def _requesting(self, request: GetData | SetData) -> Callable[[], None]:
        message = _LENGTH.pack(1) + _LENGTH.pack(request.type) + request.serialize()

        def send_and_receive() -> None:
            reply = self._exchange(message)
            (error,) = struct.unpack_from("!i", reply, 12)
            if error:
                raise SystemExit(f"the server answered with error {error}")

        return send_and_receive

    def _exchange(self, message: bytes) -> bytes:
        self._socket.sendall(_LENGTH.pack(len(message)) + message)
        (length,) = _LENGTH.unpack(self._receive(_LENGTH.size))
        return self._receive(length)

    def _receive(self, size: int) -> bytes:
        return self._socket.recv(size, socket.MSG_WAITALL)


@contextlib.contextmanager
def through_a_thread(request: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Yield a function that has another thread make the request, and waits for the answer."""
    wanted, done = threading.Lock(), threading.Lock()
    wanted.acquire()
    done.acquire()
    over = False

    def serve() -> None:
        while wanted.acquire() and not over:
            request()
            done.release()

    def hand_over() -> None:
        wanted.release()
        done.acquire()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield hand_over
    over = True
    wanted.release()
    thread.join()
