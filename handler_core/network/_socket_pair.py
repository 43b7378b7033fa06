"""A pair of connected sockets whose ``send`` never blocks, and never fails because it is full.

A client's loop waits in ``select`` for its connection and for one end of such a pair. To queue a
request, another task writes a byte into the other end. On Linux a plain pair is full after 278
unread one-byte messages, because each is charged for a whole kernel buffer. Then a blocking
``send`` stops the caller, and stops it for ever if the reader is a task of the same thread. A
non-blocking ``send`` raises, and the client takes the connection for closed.

Here the bytes stay in this process (:mod:`handler_core.network._pair_direction`), and each of a
thousand requests costs no system call. Where somebody else may read from the descriptors or write
to them, the bytes go through the kernel (:mod:`handler_core.network._pair_stream`).

**A forked child gets a pair of its own**, under the same descriptors and without the bytes of the
parent's pair. With a common pair, a byte that the child reads is lost to the parent, which may then
wait for it for ever.
"""

from __future__ import annotations

import _socket
import errno
import operator
import os
import socket
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from handler_core.execution._fork import run_in_child
from handler_core.execution._native_lock import NativeRLock
from handler_core.network._pair_direction import Direction
from handler_core.network._short_calls import NativeSocket
from handler_core.network._socket_mixin import SocketMixin, mixed_socket, mixin_of

if TYPE_CHECKING:
    from handler_core.execution._interfaces import LockLike

__all__ = ["connect_pair", "create_socket_pair"]


def create_socket_pair(module: ModuleType = socket) -> tuple[Any, Any]:
    """Return two connected sockets of ``module`` whose ``send`` neither blocks nor is short.

    Every byte arrives, in order, however many are sent before one is read. The bytes wait in this
    process's memory, and every kind of ``select`` sees that they are there. Read and write the ends
    with their own methods. What uses the descriptor itself, such as another process, ``os.read`` or
    a transport of uvloop, gets an end's ``dup()``. Safe from any thread.

    Args:
        module: the socket module: ``socket``, or that of a green model.
    """
    return connect_pair(module, NativeRLock)


def connect_pair(module: ModuleType, new_lock: Callable[[], LockLike]) -> tuple[Any, Any]:
    """Do what :func:`create_socket_pair` does, with locks made by ``new_lock``."""
    first, second = module.socketpair()
    to_second, to_first = (Direction(_sender(end), new_lock) for end in (first, second))
    first_end = _paired_socket(module, first, to_first, to_second)
    second_end = _paired_socket(module, second, to_second, to_first)
    pair = _Pair(mixin_of(first_end), mixin_of(second_end))
    mixin_of(first_end)._pair = mixin_of(second_end)._pair = pair
    return first_end, second_end


def _sender(source: Any) -> NativeSocket:
    """Return a native socket with a descriptor of its own for one end.

    It is never a green socket. So its calls do not wait, whatever the timeout of the end is, and do
    not disturb a task that reads from the end.
    """
    blocking = os.get_blocking(source.fileno())
    sender = NativeSocket(source.family, source.type, source.proto, os.dup(source.fileno()))
    # `socket.setdefaulttimeout` may have given it a timeout, and then it would wait. Removing the
    # timeout also changes the blocking mode of the end, which shares it.
    sender.settimeout(None)
    os.set_blocking(source.fileno(), blocking)
    return sender


class PairedSocket(SocketMixin):
    """One end of a pair. Its ``send`` never blocks."""

    _incoming: Direction
    _outgoing: Direction
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
        """Receive up to ``size`` bytes."""
        size = operator.index(size)
        if size > 0 and not flags:
            incoming = self._incoming
            while incoming.stream is None:
                data = incoming.receive(size, self._outgoing.sender)
                if data:
                    return data
                if not super().recv(1, socket.MSG_PEEK) and incoming.stream is None:  # type: ignore[misc]
                    return incoming.receive(size, self._outgoing.sender)  # the end
        return self._recv_from_stream(size, flags)

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

    # From here on, the pair is used in an unusual way.

    def _become_streams(self) -> None:
        """Leave all bytes to the kernel, since others may read and write them there."""
        self._incoming.become_stream(self._outgoing.sender)
        self._outgoing.become_stream(self._incoming.sender)

    def _recv_from_stream(self, size: int, flags: int) -> bytes:
        self._become_streams()
        stream = self._incoming.stream
        try:
            data: bytes = super().recv(size, flags)  # type: ignore[misc]
        finally:
            if stream is not None:
                stream.flush_backlog()
        if not data and size and stream is not None:
            data = stream.take_backlog(size)
        return data

    def shutdown(self, how: int) -> None:
        """Shut one direction down, or both."""
        self._become_streams()
        super().shutdown(how)  # type: ignore[misc]

    def dup(self) -> Any:
        """Return an ordinary socket of the model for the same end."""
        self._become_streams()
        return super().dup()

    def detach(self) -> int:
        """Return the descriptor, and leave it open without this socket."""
        self._become_streams()
        return super().detach()

    def _on_close(self) -> None:
        self._incoming.discard()
        # What was sent still arrives: the other end keeps this direction alive, with its queue.
        self._outgoing.close()


def _by_the_kernel(name: str) -> Any:
    """Return the socket class's own method, for an end that leaves its bytes to the kernel."""

    def method(self: PairedSocket, *args: Any, **kw: Any) -> Any:
        self._become_streams()
        return getattr(super(PairedSocket, self), name)(*args, **kw)

    method.__name__ = name
    method.__doc__ = f"Do what ``socket.{name}`` does, with bytes that lie in the kernel."
    return method


for _name in (
    "recvfrom",
    "recvfrom_into",
    "recvmsg",
    "recvmsg_into",
    "sendfile",
    "sendmsg",
    "sendto",
):
    setattr(PairedSocket, _name, _by_the_kernel(_name))


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
                outgoing = end._outgoing
                outgoing.leave_to_parent(_file_of(outgoing.sender.fileno()) == file)
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
            end._outgoing.renew(NativeSocket(ours.family, ours.type, ours.proto, ours.detach()))


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


def _paired_socket(module: ModuleType, plain: Any, incoming: Direction, outgoing: Direction) -> Any:
    end = mixed_socket(
        PairedSocket, module.socket, plain.family, plain.type, plain.proto, fileno=plain.detach()
    )
    mixin = mixin_of(end)
    mixin._incoming = incoming
    mixin._outgoing = outgoing
    return end
