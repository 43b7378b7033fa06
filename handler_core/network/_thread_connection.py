"""``ThreadConnection``: a connection of a model whose tasks are threads.

What it sends and receives without a wait does not give the interpreter's lock away; see
:mod:`handler_core.network._short_calls`.
"""

from __future__ import annotations

import _socket
from typing import TYPE_CHECKING, Any

from handler_core.network._connection import Connection
from handler_core.network._short_calls import ShortReceiver, short_receiver, short_send

if TYPE_CHECKING:
    from handler_core.network._native_calls import Receiver

__all__ = ["ThreadConnection"]

# What is received at once, in bytes. Each connection has a buffer of this size once it is used.
_BUFFER_SIZE = 16_384


class ThreadConnection(Connection):
    """A connected socket of the module ``socket``, in a process that no library has patched."""

    _as_parameter_ = property(_socket.socket.fileno)

    _receiver: ShortReceiver | Receiver | None = None

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of ``data``; return how many bytes."""
        sent = -1 if flags else short_send(self, data)
        if sent < 0:
            sent = super().send(data, flags)  # type: ignore[misc]
        return sent

    def _receive_without_waiting(self, size: int, flags: int) -> bytes:
        """Receive from the kernel at once; see :class:`Connection`."""
        if self._receiver is None:
            self._receiver = short_receiver(_BUFFER_SIZE)
        data = None if self._receiver is None else self._receiver.recv(self, size, flags)
        return super()._receive_without_waiting(size, flags) if data is None else data
