"""The module ``ssl`` for greenlets of an event loop.

Any name that is not defined here is the standard library's.
"""

from __future__ import annotations

import errno
import os
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from handler_core_greenlet import socket as _sockets
from handler_core_greenlet._native import unpatched

if TYPE_CHECKING:
    import ssl as _native

    _Context = _native.SSLContext
else:
    _native = unpatched("ssl")
    _Context = _native.SSLContext
    if _Context is not ssl.SSLContext:
        # A library asks whether a context is one of the module `ssl`, as it is in this process.
        _Context = type("SSLContext", (_Context, ssl.SSLContext), {})

__all__ = ["SSLContext", "SSLSocket", "create_default_context"]


def __getattr__(name: str) -> Any:
    return getattr(_native, name)


class SSLSocket(_native.SSLSocket, _sockets.socket):  # type: ignore[misc]
    """``ssl.SSLSocket``, over a socket of greenlets.

    TLS reads and writes in its C code, on a non-blocking socket. So each operation is tried, and
    tried again when the socket is ready for what TLS has asked for.
    """

    # The TLS of this socket. It is None without TLS, and after `shutdown` and `close`.
    _sslobj: Any

    _must_wait = (BlockingIOError, _native.SSLWantReadError, _native.SSLWantWriteError)

    def _for_writing(self, error: OSError, writing: bool) -> bool:
        if isinstance(error, (_native.SSLWantReadError, _native.SSLWantWriteError)):
            return isinstance(error, _native.SSLWantWriteError)
        return writing

    def _until_done(self, operation: Callable[..., Any], *args: Any) -> Any:
        return self.until_done(operation, *args, writing=False)

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Read up to ``len`` bytes, into ``buffer`` if there is one."""
        read = super().read if self._sslobj is None else self._read
        return self._until_done(read, len, buffer)

    def _read(self, len: int, buffer: Any) -> Any:
        if self._sslobj is not None:
            return super().read(len, buffer)
        # Another task has called `close` or `shutdown` meanwhile.
        if self.fileno() < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return b"" if buffer is None else 0

    def write(self, data: Any) -> int:
        """Write some of ``data``; return how many bytes."""
        written: int = self._until_done(super().write, data)
        return written

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of ``data``; return how many bytes."""
        sent: int = self._until_done(super().send, data, flags)
        return sent

    def do_handshake(self, block: bool = False) -> None:
        """Do the TLS handshake."""
        if self.getblocking():
            self._until_done(super().do_handshake)
        else:
            super().do_handshake()

    def unwrap(self) -> Any:
        """End TLS; return the socket below it."""
        return self._until_done(super().unwrap)


class SSLContext(_Context):
    """``ssl.SSLContext``, which wraps sockets of greenlets."""

    sslsocket_class = SSLSocket

    def wrap_socket(self, sock: Any, *args: Any, **kwargs: Any) -> Any:
        """Do what ``ssl.SSLContext.wrap_socket`` does, for a socket of greenlets."""
        # A connection may have put bytes aside. A wait for room comes before the descriptor has a
        # new owner, so that there is one owner if the wait fails.
        if sock.fileno() >= 0:
            sock.sendall(b"")
        return super().wrap_socket(sock, *args, **kwargs)


def create_default_context(*args: Any, **kwargs: Any) -> SSLContext:
    """Return a context with the settings of ``ssl.create_default_context``."""
    context = _native.create_default_context(*args, **kwargs)
    context.__class__ = SSLContext
    return context  # type: ignore[return-value]
