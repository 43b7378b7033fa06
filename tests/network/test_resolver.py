from __future__ import annotations

import socket
from typing import Any

import pytest

from .servers import Connect, Server, echo, resolving_to

pytestmark = pytest.mark.usefixtures("_nothing_left_open")


def test_a_name(connect: Connect) -> None:
    with Server(echo) as server, connect(("localhost", server.port), timeout=10) as sock:
        assert sock.getpeername()[1] == server.port


@pytest.mark.parametrize("host", ["a" * 100, "x..y", "\0", "no such name", 3.5])
def test_a_host_that_there_is_not(connect: Connect, host: Any) -> None:
    with pytest.raises((OSError, ValueError, TypeError)):
        connect((host, 2181), 20)


def test_a_name_without_an_address(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch)
    with pytest.raises(OSError, match="no address"):
        connect(("zoo.example", 1), timeout=10)


def test_a_look_up_that_fails(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*args: object, **kwargs: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for timeout in (None, 10):
        with pytest.raises(socket.gaierror, match="not known"):
            connect(("zoo.example", 1), timeout=timeout)
