"""Servers in threads, invented results of name look-ups, and the open descriptors."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

Connect = Callable[..., Any]


def open_descriptors() -> set[str]:
    """Return what the descriptors of this process refer to."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
    return found


class Server:
    """A server that calls ``serve`` with each connection that it accepts."""

    def __init__(
        self, serve: Callable[[socket.socket], object], family: int = socket.AF_INET
    ) -> None:
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._listener = socket.create_server((host, 0), family=family)
        self.address = self._listener.getsockname()
        self.port = self.address[1]
        self._serve = serve
        self.accepted = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            with sock:
                if self._closing:
                    return
                self.accepted += 1
                with contextlib.suppress(OSError):
                    self._serve(sock)

    _closing = False

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing = True
        with socket.socket(self._listener.family) as sock:
            sock.settimeout(30)
            sock.connect(self.address)
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._listener.close()


def echo(sock: socket.socket) -> None:
    sock.sendall(sock.recv(100))
    sock.recv(1)


def silent(sock: socket.socket) -> None:
    """Read until the client closes, and never answer."""
    while sock.recv(1000):
        pass


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def resolving_to(
    monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int], delay: float = 0
) -> None:
    """Let the look-up of every name return these addresses."""

    def getaddrinfo(host: object, port: object, *args: object, **kwargs: object) -> Any:
        time.sleep(delay)
        return [
            (
                socket.AF_INET6 if ":" in address[0] else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                address,
            )
            for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
