"""Free ports for a ZooKeeper server.

The ports are below the range from which the system gives ports to connecting sockets. Ports of that
range would not stay free while the server is stopped: the system could give one to any connecting
socket. That socket could even belong to a client of this server that tries to reconnect. The client
would then talk to itself.
"""

from __future__ import annotations

import random
import socket
from typing import NamedTuple

__all__ = ["Ports", "free_port", "free_ports"]

_PORTS = range(20_000, 32_000)


class Ports(NamedTuple):
    """The ports of a server.

    Attributes:
        plain: the port without TLS.
        secure: the port with TLS, or None.
    """

    plain: int
    secure: int | None

    def __str__(self) -> str:
        return f"port {self.plain}" + (f" or {self.secure}" if self.secure is not None else "")


def free_ports(tls: bool) -> Ports:
    """Return ports that are free at the moment, with or without one for TLS."""
    if not tls:
        return Ports(free_port(), None)
    plain = secure = free_port()
    while secure == plain:  # the first port is free until the server listens on it
        secure = free_port()
    return Ports(plain, secure)


def free_port() -> int:
    """Return a port that is free at the moment."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe:
            # The server sets this option too. An old connection that lingers on the port does not
            # hinder it.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("there is no free port for a ZooKeeper server on 127.0.0.1")
