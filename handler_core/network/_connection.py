"""``Connection``: a connected socket with ``pending``, as TLS sockets have it.

A client of a binary protocol reads a message in two steps, first its length and then the rest, and
calls ``select`` before each. A TLS socket has ``pending`` because ``select`` does not see what is
already decrypted, so a client that supports TLS calls ``pending`` first. With :class:`Connection`,
plain sockets have it too. This saves the second ``select`` and the second ``recv``: to count the
bytes, ``pending`` peeks at them, and the next ``recv`` returns them without a system call.

``pending`` peeks with ``MSG_PEEK``. The bytes are removed from the kernel's buffer when the last of
them has been received. So the descriptor stays readable as long as anything is unread, and every
kind of ``select`` reports the truth. A socket whose ``pending`` is never called is an ordinary
socket throughout.
"""

from __future__ import annotations

import _socket
import functools
import operator
import socket
from typing import Any

from handler_core.network._select import blocking_select
from handler_core.network._socket_mixin import SocketMixin

__all__ = ["Connection"]

_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)
_PEEK = socket.MSG_PEEK | _DONT_WAIT

# How many bytes to peek at.
_PEEK_SIZE = 65_536


class Connection(SocketMixin):
    """A connected socket with ``pending``.

    After the first call of ``pending``, one task at a time may read, and only by the methods of
    this object. Another process, or ``os.read``, would get some bytes a second time.
    """

    # The bytes that were peeked at, and how many of them have been received. All of them are still
    # in the kernel's buffer.
    _peeked = b""
    _received = 0

    # An error that a peek got from the kernel. The next receiving call raises it.
    _error: OSError | None = None

    def pending(self) -> int:
        """Return how many of the bytes that have arrived ``recv`` will return at once.

        0 means that nothing has arrived, or that the connection has ended or failed, or that the
        number cannot be found without waiting. Then use ``select`` and ``recv``.

        Raises:
            OSError: the socket is closed.
        """
        if not self._peeked and self._error is None:
            try:
                self._peeked = self._receive_without_waiting(_PEEK_SIZE, _PEEK)
            except BlockingIOError:
                return 0
            except OSError as error:
                if self.fileno() < 0:
                    raise
                self._error = error  # The kernel reports it only once.
        return len(self._peeked) - self._received

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive up to ``size`` bytes."""
        peeked = self._peeked
        size = operator.index(size)
        if not peeked or flags or size <= 0:
            self._forget_peeked()
            data: bytes = super().recv(size, flags)  # type: ignore[misc]
            return data
        start = self._received
        self._received = end = min(start + size, len(peeked))
        if end == len(peeked):
            self._forget_peeked()
        return peeked[start:end]

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """Receive into ``buffer``."""
        self._forget_peeked()
        return super().recv_into(buffer, size, flags)  # type: ignore[misc, no-any-return]

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Any]:
        """Receive, and return the sender's address too."""
        self._forget_peeked()
        return super().recvfrom(size, flags)  # type: ignore[misc, no-any-return]

    def recvfrom_into(self, buffer: Any, size: int = 0, flags: int = 0) -> tuple[int, Any]:
        """Receive into ``buffer``, and return the sender's address too."""
        self._forget_peeked()
        return super().recvfrom_into(buffer, size, flags)  # type: ignore[misc, no-any-return]

    def recvmsg(self, *args: Any) -> Any:
        """Receive, with ancillary data."""
        self._forget_peeked()
        return super().recvmsg(*args)  # type: ignore[misc]

    def recvmsg_into(self, *args: Any) -> Any:
        """Receive into buffers, with ancillary data."""
        self._forget_peeked()
        return super().recvmsg_into(*args)  # type: ignore[misc]

    def dup(self) -> Any:
        """Return an ordinary socket of the model for the same connection."""
        self._forget_peeked()
        return super().dup()

    def detach(self) -> int:
        """Return the descriptor, and leave it open without this socket."""
        # An error that a peek got would leave it open with two owners: who wraps a socket has made
        # the new one already. A later `recv` says that the connection has ended.
        self._error = None
        self._forget_peeked()
        return super().detach()

    def _receive_without_waiting(self, size: int, flags: int) -> bytes:
        """Receive from the kernel at once. No hub gets to run.

        It calls the C method of this socket, past the methods of a green class.

        Raises:
            BlockingIOError: nothing has arrived.
        """
        if isinstance(self, _socket.socket):
            gettimeout: Any = functools.partial(_socket.socket.gettimeout, self)
            receive: Any = functools.partial(_socket.socket.recv, self)
        else:
            native = getattr(self, "_sock", None)  # gevent's sockets have it
            if native is None:
                raise BlockingIOError
            gettimeout, receive = native.gettimeout, native.recv
        # A socket with a timeout would first wait, whatever the flags are.
        if not _DONT_WAIT or (
            gettimeout() and self.fileno() >= 0 and not blocking_select([self], [], [], 0)[0]
        ):
            raise BlockingIOError
        data: bytes = receive(size, flags)
        return data

    def _forget_peeked(self) -> None:
        """Remove what has been received from the kernel's buffer, and forget the peeked bytes.

        Raises:
            OSError: the error that the last peek got.
        """
        received, self._peeked, self._received = self._received, b"", 0
        try:  # `contextlib.suppress` takes as long as the call
            while received:
                removed = len(self._receive_without_waiting(received, _DONT_WAIT))
                received = received - removed if removed else 0
        except BlockingIOError:  # another reader was faster
            pass
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _on_close(self) -> None:
        self._peeked, self._received = b"", 0
