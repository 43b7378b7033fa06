"""A connected socket that knows what is there to be read.

A client of a binary protocol reads a message in two steps, its length and then the rest, and asks
``select`` before each. A TLS socket has ``pending`` for that, and a client that has to care for
TLS asks it first: what is decrypted already, ``select`` does not see. Here plain sockets have it
too, and it saves them both the second ``select`` and the second ``recv``: to know how much there
is, it looks, and what it has seen the next ``recv`` returns without asking the kernel.

It looks with ``MSG_PEEK``, and takes the bytes out of the kernel when the last of them has been
received. So the descriptor stays readable for as long as something is unread, and whoever selects
on it, by whatever means, is told the truth. A socket whose ``pending`` nobody calls is an ordinary
socket throughout.
"""

from __future__ import annotations

import _socket
import contextlib
import functools
import operator
import socket
from typing import Any

from handler_core.network._select import blocking_select
from handler_core.network._socket_mixin import SocketMixin

__all__ = ["Connection"]

_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)
_LOOK = socket.MSG_PEEK | _DONT_WAIT

# How far to look ahead, in bytes.
_AHEAD = 65_536


class Connection(SocketMixin):
    """A connected socket with ``pending``.

    Once that has been called, one task at a time may read, and by this object's methods: another
    process, or ``os.read``, would see bytes for a second time.
    """

    # What is known to be there, and how much of it has been received. The kernel has all of it.
    _ahead = b""
    _received = 0

    # What a look has found out about the connection, for whoever receives.
    _error: OSError | None = None

    def pending(self) -> int:
        """Return the number of bytes, of those that are there, which ``recv`` will return at once.

        0 means that nothing is there, or the end, or an error, or that it cannot be said without
        waiting: ask ``select``, and ``recv``.

        Raises:
            OSError: the socket is closed.
        """
        if not self._ahead and self._error is None:
            try:
                self._ahead = self._receive_what_is_there(_AHEAD, _LOOK)
            except BlockingIOError:
                return 0
            except OSError as error:
                if self.fileno() < 0:
                    raise
                self._error = error  # which the kernel tells once
        return len(self._ahead) - self._received

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive up to ``size`` bytes."""
        ahead = self._ahead
        size = operator.index(size)
        if not ahead or flags or size <= 0:
            self._catch_up()
            data: bytes = super().recv(size, flags)  # type: ignore[misc]
            return data
        start = self._received
        self._received = end = min(start + size, len(ahead))
        if end == len(ahead):
            self._catch_up()
        return ahead[start:end]

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        """Receive into ``buffer``."""
        self._catch_up()
        return super().recv_into(buffer, size, flags)  # type: ignore[misc, no-any-return]

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Any]:
        """Receive, and say from whom."""
        self._catch_up()
        return super().recvfrom(size, flags)  # type: ignore[misc, no-any-return]

    def recvfrom_into(self, buffer: Any, size: int = 0, flags: int = 0) -> tuple[int, Any]:
        """Receive into ``buffer``, and say from whom."""
        self._catch_up()
        return super().recvfrom_into(buffer, size, flags)  # type: ignore[misc, no-any-return]

    def recvmsg(self, *args: Any) -> Any:
        """Receive, with ancillary data."""
        self._catch_up()
        return super().recvmsg(*args)  # type: ignore[misc]

    def recvmsg_into(self, *args: Any) -> Any:
        """Receive into buffers, with ancillary data."""
        self._catch_up()
        return super().recvmsg_into(*args)  # type: ignore[misc]

    def dup(self) -> Any:
        """Return an ordinary socket for the same connection."""
        self._catch_up()
        return super().dup()

    def detach(self) -> int:
        """Give up the descriptor, and return it."""
        self._catch_up()
        return super().detach()

    def _receive_what_is_there(self, size: int, flags: int) -> bytes:
        """Receive without waiting, and without letting a hub run: by the C part of this socket.

        Raises:
            BlockingIOError: nothing is there.
        """
        if isinstance(self, _socket.socket):
            gettimeout: Any = functools.partial(_socket.socket.gettimeout, self)
            receive: Any = functools.partial(_socket.socket.recv, self)
        else:
            native = getattr(self, "_sock", None)  # as gevent has it
            if native is None:
                raise BlockingIOError
            gettimeout, receive = native.gettimeout, native.recv
        # With a timeout it would wait first, whatever the flags are.
        if not _DONT_WAIT or (
            gettimeout() and self.fileno() >= 0 and not blocking_select([self], [], [], 0)[0]
        ):
            raise BlockingIOError
        data: bytes = receive(size, flags)
        return data

    def _catch_up(self) -> None:
        """Take out of the kernel what has been received, and forget what else was seen."""
        received, self._ahead, self._received = self._received, b"", 0
        # Unless another reader was faster, all of it is there.
        with contextlib.suppress(BlockingIOError):
            while received:
                taken = len(self._receive_what_is_there(received, _DONT_WAIT))
                received = received - taken if taken else 0
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _on_close(self) -> None:
        self._ahead, self._received = b"", 0
