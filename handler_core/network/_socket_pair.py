"""A pair of connected sockets whose ``send`` never blocks, and never fails because it is full.

A client's loop waits in ``select`` for its connection and for one end of such a pair. To queue a
request, another task writes a byte into the other end. On Linux a plain pair is full after 278
unread one-byte messages, because each is charged for a whole kernel buffer. Then a blocking
``send`` stops the caller, and stops it for ever if the reader is a task of the same thread. A
non-blocking ``send`` raises, and the client takes the connection for closed.

Here the bytes that do not fit into the kernel's buffer go into a backlog in this process, in
order. They move into the kernel's buffer as the other end reads. One rule keeps ``select`` on the
reader truthful: while there is a backlog, the kernel's buffer is not empty, or its writer is
closed. In both cases the reader is readable.

**The lock guards the backlog, and a send without a backlog does not take it.** A signal that
arrives during a ``send`` is handled right after it. Its handler may stop the client, which means
to wait for the client's loop, and the loop reads here. If every ``send`` held the lock, the loop
would wait for the interrupted thread, and that thread for the loop.

**A forked child gets a pair of its own**, under the same descriptors and without the bytes of the
parent's pair. With a common pair, a byte that the child reads is lost to the parent, which may then
wait for it for ever.
"""

from __future__ import annotations

import _socket
import contextlib
import errno
import os
import socket
import time
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from handler_core.execution._fork import run_in_child
from handler_core.execution._native_lock import new_rlock
from handler_core.network._socket_mixin import SocketMixin, mixed_socket, mixin_of

if TYPE_CHECKING:
    from handler_core.execution._interfaces import LockLike

__all__ = ["connect_pair", "create_socket_pair"]

_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)

# How long, in seconds, a sender takes a full kernel buffer for still full.
_RETRY_INTERVAL = 0.001


def create_socket_pair(module: ModuleType = socket) -> tuple[Any, Any]:
    """Return two connected sockets of ``module`` whose ``send`` neither blocks nor is short.

    Every byte arrives, in order, however many are sent before one is read. Bytes that do not fit
    into the kernel's buffer wait in this process's memory. Read the ends with their own ``recv``
    or ``recv_into``. Safe from any thread.

    Args:
        module: the socket module: ``socket``, or that of a green model.
    """
    return connect_pair(module, new_rlock)


def connect_pair(module: ModuleType, new_lock: Callable[[], LockLike]) -> tuple[Any, Any]:
    """Do what :func:`create_socket_pair` does, with locks made by ``new_lock``."""
    first, second = module.socketpair()
    to_second, to_first = _Direction(first, new_lock), _Direction(second, new_lock)
    first_end = _paired_socket(module, first, to_first, to_second)
    second_end = _paired_socket(module, second, to_second, to_first)
    pair = _Pair(mixin_of(first_end), mixin_of(second_end))
    mixin_of(first_end)._pair = mixin_of(second_end)._pair = pair
    return first_end, second_end


class _Direction:
    """One direction of a pair: a sender into the kernel's buffer, and the backlog behind it."""

    def __init__(self, source: Any, new_lock: Callable[[], LockLike]) -> None:
        # The sender has its own descriptor and is never a green socket. So a send does not wait,
        # whatever the timeout of the end is, and does not disturb a task that reads from the end.
        blocking = os.get_blocking(source.fileno())
        self._sender = _socket.socket(
            source.family, source.type, source.proto, os.dup(source.fileno())
        )
        # `socket.setdefaulttimeout` may have given it a timeout, and then it would wait. Removing
        # the timeout also changes the blocking mode of the end, which shares it.
        self._sender.settimeout(None)
        os.set_blocking(source.fileno(), blocking)
        self._new_lock = new_lock
        self._lock = new_lock()
        self._backlog = bytearray()
        # When the backlog was last offered to the kernel, by `time.monotonic`.
        self._last_flush = 0.0

    def send(self, data: Any) -> int:
        """Send ``data`` to the kernel, and add what it does not take to the backlog."""
        view = memoryview(data).cast("B")
        sent = 0 if self._backlog else self._send_now(view)
        if sent < len(view):
            with self._lock:
                is_first = not self._backlog
                self._backlog += view[sent:]
                # The reader may have made room just before this, and then found no backlog to
                # flush. A reader or sender may also have been interrupted before it flushed. So
                # the sender flushes too, but not at each of thousands of sends: a flush costs as
                # much as a send.
                if is_first or time.monotonic() - self._last_flush > _RETRY_INTERVAL:
                    self._flush()
        return len(view)

    def flush_backlog(self) -> None:
        """Move the backlog into the room that the reader has just made."""
        if not self._backlog:
            return
        # If the writer has closed or shut down meanwhile, this fails, and nothing is lost: the
        # reader gets the backlog from `take_backlog`.
        with self._lock, contextlib.suppress(OSError):
            self._flush()

    def take_backlog(self, size: int) -> bytes:
        """Return up to ``size`` bytes of the backlog, after the kernel has reported the end."""
        with self._lock:
            data = bytes(self._backlog[:size])
            del self._backlog[:size]
            return data

    def discard_backlog(self) -> None:
        """Discard the backlog, since the reader is closed. The next ``send`` finds that out."""
        with self._lock:
            self._backlog.clear()

    def close(self) -> None:
        """Close the sender. The reader gets the backlog and then the end."""
        with self._lock:
            self._sender.close()

    def leave_to_parent(self, is_ours: bool) -> None:
        """Be empty and closed, until :meth:`renew`. Only a forked child calls this.

        Args:
            is_ours: False if the sender's descriptor is another file's by now.
        """
        self._lock = self._new_lock()  # a thread that does not exist here may hold the other one
        self._backlog.clear()
        if is_ours:
            self._sender.close()
        else:
            self._sender.detach()

    def renew(self, sender: _socket.socket) -> None:
        """Send by this socket from now on."""
        self._sender = sender

    def sender_fileno(self) -> int:
        """Return the descriptor of the sender; -1 if it is closed."""
        return self._sender.fileno()

    def _flush(self) -> None:
        self._last_flush = time.monotonic()
        while self._backlog and (sent := self._send_now(self._backlog)):
            del self._backlog[:sent]

    def _send_now(self, data: Any) -> int:
        """Return how many bytes the kernel has taken."""
        try:
            return self._sender.send(data, _DONT_WAIT)
        except BlockingIOError:
            return 0


class PairedSocket(SocketMixin):
    """One end of a pair. Its ``send`` never blocks."""

    _incoming: _Direction
    _outgoing: _Direction
    _pair: _Pair  # which lives as long as one of its ends

    def send(self, data: Any, flags: int = 0) -> int:
        """Send all of ``data``, at once."""
        if self.fileno() < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._outgoing.send(data)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of ``data``, at once."""
        self.send(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive up to ``size`` bytes. The other end's backlog moves into the room."""
        try:
            data: bytes = super().recv(size, flags)  # type: ignore[misc]
        finally:
            self._incoming.flush_backlog()
        if not data and size:
            data = self._incoming.take_backlog(size)
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
        self._incoming.discard_backlog()
        # What was sent still arrives: the other end keeps this direction alive, with its backlog.
        self._outgoing.close()


class _Pair:
    """Both ends, for a forked child, which gives each new sockets under the same descriptors."""

    def __init__(self, *ends: Any) -> None:
        self._ends = [weakref.ref(end) for end in ends]
        self._files = [_file_of(end.fileno()) for end in ends]
        _pairs.add(self)

    def renew(self) -> None:
        """Replace the sockets of the parent. Only a forked child calls this.

        A descriptor is replaced if it is still an end of this pair. A daemon closes all its
        descriptors, without a word to us, and the number may be another file's.
        """
        ends = [ref() for ref in self._ends]
        for file, end in zip(self._files, ends, strict=True):
            if end is not None:
                sender = end._outgoing
                sender.leave_to_parent(_file_of(sender.sender_fileno()) == file)
        # The senders have left two numbers free.
        for index, (end, ours) in enumerate(zip(ends, _socket.socketpair(), strict=True)):
            if end is None or _file_of(end.fileno()) != self._files[index]:
                ours.close()  # the other end reads the end
                continue
            ours.settimeout(None)
            blocking = os.get_blocking(end.fileno())
            os.dup2(ours.fileno(), end.fileno(), os.get_inheritable(end.fileno()))
            os.set_blocking(end.fileno(), blocking)
            self._files[index] = _file_of(end.fileno())
            end._close_dependents()
            end._outgoing.renew(ours)


#: The pairs of this process.
_pairs: weakref.WeakSet[_Pair] = weakref.WeakSet()


def _renew_pairs() -> None:
    for pair in list(_pairs):
        pair.renew()


run_in_child(_renew_pairs)


def _file_of(fd: int) -> tuple[int, int] | None:
    """Return what identifies the open file with this descriptor; None if there is none."""
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _paired_socket(
    module: ModuleType, plain: Any, incoming: _Direction, outgoing: _Direction
) -> Any:
    end = mixed_socket(
        PairedSocket, module.socket, plain.family, plain.type, plain.proto, fileno=plain.detach()
    )
    mixin = mixin_of(end)
    mixin._incoming = incoming
    mixin._outgoing = outgoing
    return end
