"""TLS sockets of any model that another task may close or shut down.

A TLS socket is made by the model's own class, and gets a mixin afterwards.
"""

from __future__ import annotations

from typing import Any

from handler_core.network._socket_mixin import ClosingSocket, SocketMixin, add_mixin

__all__ = ["close_as_others_do"]


class TLSSocket(ClosingSocket):
    """A TLS socket that resumes who waits for it when it is closed, or shut down."""

    # What every TLS socket has. It is None without TLS, and after `shutdown`.
    _sslobj: Any

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        """Read up to ``len`` bytes, into ``buffer`` if there is one."""
        secure = self._sslobj is not None
        try:
            return super().read(len, buffer)  # type: ignore[misc]
        except ValueError:
            if not secure or self._sslobj is not None or self.fileno() < 0:
                raise
        # Another task has called `shutdown` meanwhile. For a thread that reads, it is the end.
        return b"" if buffer is None else 0

    def settimeout(self, value: float | None) -> None:
        """Set the timeout of each operation, in seconds; None waits for ever, 0 not at all."""
        super().settimeout(value)  # type: ignore[misc]
        if hasattr(self, "act_non_blocking"):  # eventlet's sockets set this in `setblocking` only
            self.act_non_blocking = value == 0

    def dup(self) -> Any:
        """Raise the error that the model's class raises: TLS cannot be duplicated."""
        return super(SocketMixin, self).dup()  # type: ignore[misc]


def close_as_others_do(sock: Any) -> Any:
    """Let a TLS socket close as the model's other sockets do, and return it."""
    add_mixin(TLSSocket, sock)
    return sock
