"""A pair of connected sockets whose ``send`` never blocks and never fails for lack of room.

A client's loop waits in ``select`` on its connection and on one end of such a pair; whoever
queues a request writes a byte into the other end. A plain pair on Linux is full after 278
one-byte messages that nobody has read yet, each being charged for a whole kernel buffer. Then a
blocking ``send`` stops the caller, and if the reader is a task of the same thread, for ever; a
non-blocking one raises, and the client takes the connection for closed.

Here, what the kernel has no room for is kept in this process, in order, and moved into the
kernel's buffer as the other end reads. The rule that makes ``select`` on the reader tell the
truth: as long as something is kept, the kernel's buffer is not empty (or its writer is closed,
and then the reader is readable too).

**The lock is for what is kept, and is not taken while nothing is.** A signal that comes during a
``send`` is handled right after it, and its handler may well stop the client: that is, wait for
the client's loop, which reads here. Were the lock held around every ``send``, the loop would wait
for the interrupted thread, and that one for the loop.
"""

from __future__ import annotations

import _socket
import contextlib
import errno
import os
import socket
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from handler_core.network._socket_mixin import SocketMixin, mixed_socket, mixin_of

if TYPE_CHECKING:
    from handler_core.execution._protocols import LockLike

__all__ = ["connect_pair", "create_socket_pair"]

_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)

# For how long, in seconds, a kernel's buffer that was full is taken to be full.
_NOT_AGAIN_FOR = 0.001


def create_socket_pair(module: ModuleType = socket) -> tuple[Any, Any]:
    """Return two connected sockets of ``module`` whose ``send`` neither blocks nor is short.

    Every byte arrives, in order, however many are sent before one is read: what the kernel has
    no room for waits in this process's memory. The ends are to be read by their own ``recv`` or
    ``recv_into``. Safe from any thread.

    Args:
        module: the socket module: ``socket``, or that of a green model.
    """
    return connect_pair(module, threading.RLock)


def connect_pair(module: ModuleType, new_lock: Callable[[], LockLike]) -> tuple[Any, Any]:
    """Return :func:`create_socket_pair`'s sockets, guarded by locks of the caller's making."""
    first, second = module.socketpair()
    forth, back = _Direction(first, new_lock()), _Direction(second, new_lock())
    return _end(module, first, back, forth), _end(module, second, forth, back)


class _Direction:
    """The way from one end to the other: the kernel's buffer, and what did not fit into it."""

    def __init__(self, source: Any, lock: LockLike) -> None:
        # A descriptor of its own, and never a green socket: sending must not wait, whatever
        # timeout the end is given, and must not disturb a task that is reading from the end.
        blocking = os.get_blocking(source.fileno())
        self._sender = _socket.socket(
            source.family, source.type, source.proto, os.dup(source.fileno())
        )
        # With a timeout, which `socket.setdefaulttimeout` may have given it, it would wait. To
        # take that away changes the mode of the end too, which it has in common with it.
        self._sender.settimeout(None)
        os.set_blocking(source.fileno(), blocking)
        self._lock = lock
        self._kept = bytearray()
        # When room was last looked for, by `time.monotonic`.
        self._looked_at = 0.0

    def send(self, data: Any) -> int:
        """Give all of ``data`` to the kernel, or keep what it does not take."""
        view = memoryview(data).cast("B")
        sent = 0 if self._kept else self._offer(view)
        if sent < len(view):
            with self._lock:
                is_first = not self._kept
                self._kept += view[sent:]
                # The reader may have made room, and looked for what is kept, just before. And
                # whatever has come between a reader or a sender and its duty is made good here,
                # but not at each of thousands of sends: that costs as much as they do.
                if is_first or time.monotonic() - self._looked_at > _NOT_AGAIN_FOR:
                    self._move_on()
        return len(view)

    def make_use_of_room(self) -> None:
        """Move on what is kept, now that the reader has read."""
        if not self._kept:
            return
        # A writer that closed or shut down meanwhile ends nothing for the reader, which gets
        # what is kept by `take_kept`.
        with self._lock, contextlib.suppress(OSError):
            self._move_on()

    def take_kept(self, size: int) -> bytes:
        """Take what is kept, for a reader to whom the kernel says that the writer is closed."""
        with self._lock:
            data = bytes(self._kept[:size])
            del self._kept[:size]
            return data

    def give_up(self) -> None:
        """Forget what is kept: the reader has ended, and the next ``send`` is to find that out."""
        with self._lock:
            self._kept.clear()

    def close(self) -> None:
        """Let the reader see the end, after what is kept."""
        with self._lock:
            self._sender.close()

    def _move_on(self) -> None:
        self._looked_at = time.monotonic()
        while self._kept and (sent := self._offer(self._kept)):
            del self._kept[:sent]

    def _offer(self, data: Any) -> int:
        try:
            return self._sender.send(data, _DONT_WAIT)
        except BlockingIOError:
            return 0


class PairedSocket(SocketMixin):
    """One end of a pair: its ``send`` never blocks."""

    _incoming: _Direction
    _outgoing: _Direction

    def send(self, data: Any, flags: int = 0) -> int:
        """Send all of ``data``, at once."""
        if self.fileno() < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._outgoing.send(data)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of ``data``, at once."""
        self.send(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive, and let what was kept for lack of room take the room."""
        try:
            data: bytes = super().recv(size, flags)  # type: ignore[misc]
        finally:
            self._incoming.make_use_of_room()
        if not data and size:
            data = self._incoming.take_kept(size)
        return data

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """Receive into ``buffer``, see :meth:`recv`."""
        view = memoryview(buffer).cast("B")
        if view.readonly:
            raise TypeError("recv_into() takes a buffer that can be written to")
        if not -1 < size <= len(view):
            raise ValueError(f"recv_into() of {size} bytes into a buffer of {len(view)}")
        data = self.recv(size or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def _on_close(self) -> None:
        self._incoming.give_up()
        # What was sent still arrives: the other end keeps the way from here alive for that.
        self._outgoing.close()


def _end(module: ModuleType, plain: Any, incoming: _Direction, outgoing: _Direction) -> Any:
    end = mixed_socket(
        PairedSocket, module.socket, plain.family, plain.type, plain.proto, fileno=plain.detach()
    )
    extension = mixin_of(end)
    extension._incoming = incoming
    extension._outgoing = outgoing
    return end
