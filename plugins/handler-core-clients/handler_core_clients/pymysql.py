"""PyMySQL on a handler: a connection that the handler makes, and its TLS.

PyMySQL takes a connected socket, and does all else by it. With TLS, which is its default, it wraps
the socket by a context that it makes itself. The one here is the handler's.

PyMySQL closes a connection if the read of an answer is cancelled. The one here closes it if the
sending of a request is cancelled, too.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pymysql.connections

from handler_core import Handler

__all__ = ["Connection", "connect"]

# The words for a certificate that is not checked.
_NO = ("none", "0", "false", "no")


class Connection(pymysql.connections.Connection):  # type: ignore[misc]
    """PyMySQL's connection, which waits by a handler.

    Args:
        handler: what waits.
        options: those of ``pymysql.connect``.
    """

    def __init__(self, handler: Handler, **options: Any) -> None:
        self.handler = handler
        super().__init__(**options)

    def connect(self, sock: Any = None) -> None:
        """Connect, by a socket of the caller's if there is one."""
        if sock is None:
            try:
                sock = self._connected_socket()
            except OSError as error:
                raise pymysql.OperationalError(
                    2003, f"Can't connect to MySQL server on {self.host!r} ({error})"
                ) from error
        super().connect(sock)

    def _connected_socket(self) -> Any:
        connect = self.handler.create_connection
        if self.unix_socket:
            self.host_info = "Localhost via UNIX socket"
            self._secure = True
            return connect(self.unix_socket, self.connect_timeout)
        source = (self.bind_address, 0) if self.bind_address else None
        sock = connect((self.host, self.port), self.connect_timeout, source_address=source)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.host_info = f"socket {self.host}:{self.port}"
        return sock

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        """Return a context of the handler's, with the options that PyMySQL has collected."""
        if isinstance(sslp, ssl.SSLContext):
            return sslp
        ca = sslp.get("ca") or sslp.get("capath")
        mode = sslp.get("verify_mode")
        verified = bool(ca) if mode is None else str(mode).lower() not in _NO
        return self.handler.ssl_context(
            ca=ca,
            certfile=sslp.get("cert"),
            keyfile=sslp.get("key"),
            keyfile_password=sslp.get("password"),
            verify_certs=verified,
            check_hostname=bool(ca) and sslp.get("check_hostname", verified),
            ciphers=sslp.get("cipher"),
        )

    def _write_bytes(self, data: bytes) -> None:
        try:
            super()._write_bytes(data)
        except BaseException:  # a cancellation may be any exception, on gevent and eventlet
            self._force_close()
            raise


def connect(handler: Handler, **options: Any) -> Connection:
    """Connect to MySQL or MariaDB; see ``pymysql.connect``.

    Args:
        handler: what waits.
        options: those of ``pymysql.connect``.
    """
    return Connection(handler, **options)
