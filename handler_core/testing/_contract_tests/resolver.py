"""A resolver that answers when a test tells it to."""

from __future__ import annotations

import _socket
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from handler_core import Handler
from handler_core.network import AddressInfo
from handler_core.testing._time_limits import LONG

__all__ = ["Resolver", "address_info"]


def address_info(address: tuple[Any, ...]) -> AddressInfo:
    """Return what ``getaddrinfo`` returns for a TCP address."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address


class Resolver:
    """Answers look-ups of names when a test releases it, or when its patience is over.

    The system answers look-ups of addresses.

    Attributes:
        found: the answer to each look-up of a name.
        patience: seconds to wait for the release.
        released: True once it was released.
    """

    def __init__(self, handler: Handler) -> None:
        self.found: list[AddressInfo] = []
        self.patience = LONG
        self.released = False
        self._told = handler.event_object()
        self._answer_address = _socket.getaddrinfo
        # No library patches `_socket`, so a thread that reads from these really blocks.
        self._button, self._bell = _socket.socketpair()

    def release(self) -> None:
        """Answer from now on."""
        self.released = True
        self._told.set()
        self._button.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the sockets."""
        self._button.close()
        self._bell.close()

    def answer_task(self, *question: Any, **more: Any) -> Any:
        """Replace ``getaddrinfo`` of a model's socket module."""
        return self._answer(lambda: self._told.wait(self.patience), *question, **more)

    def answer_thread(self, *question: Any, **more: Any) -> Any:
        """Replace ``getaddrinfo`` of the C library, which a model calls in a thread."""
        return self._answer(self._hear, *question, **more)

    def _hear(self) -> None:
        self._bell.settimeout(self.patience)
        with contextlib.suppress(TimeoutError):
            self._bell.recv(1)

    def _answer(
        self,
        wait: Callable[[], object],
        host: Any,
        port: Any,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        try:
            return self._answer_address(
                host, port, family, type, proto, flags | socket.AI_NUMERICHOST
            )
        except socket.gaierror:  # the host is a name
            if flags & socket.AI_NUMERICHOST:
                raise
        wait()
        return self.found
