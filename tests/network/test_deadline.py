from __future__ import annotations

import socket
import ssl
import time

import pytest

from .servers import Connect, Server, resolving_to, silent

pytestmark = pytest.mark.usefixtures("_nothing_left_open")


def test_one_deadline_for_all_addresses(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, blackhole: tuple[str, int]
) -> None:
    resolving_to(monkeypatch, *[blackhole] * 5)
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match=r"zoo\.example:1 took longer than 0\.5 seconds"):
        connect(("zoo.example", 1), timeout=0.5)
    assert 0.5 <= time.monotonic() - begun < 0.5 * 4


def test_a_slow_look_up(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, ("127.0.0.1", 1), delay=2)
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match=r"took longer than 0\.1 seconds"):
        connect(("zoo.example", 1), timeout=0.1)
    assert 0.1 <= time.monotonic() - begun < 2


def test_a_connect_that_is_never_answered(connect: Connect, blackhole: tuple[str, int]) -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        connect(blackhole, timeout=0.2)
    assert time.monotonic() - begun >= 0.2


def test_a_handshake_that_is_never_answered(connect: Connect) -> None:
    with Server(silent) as server:
        begun = time.monotonic()
        with pytest.raises(TimeoutError, match=r"took longer than 0\.3 seconds"):
            connect(("127.0.0.1", server.port), timeout=0.3, use_ssl=True)
        assert time.monotonic() - begun >= 0.3


def test_look_up_connect_and_handshake_share_the_time(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(silent) as server:
        resolving_to(monkeypatch, server.address, delay=1.8)
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            connect(("zoo.example", 1), timeout=2, use_ssl=True)
        # If each had its own two seconds, all would take 3.8.
        assert 2 <= time.monotonic() - begun < 3.8


def test_a_trickle_does_not_prolong_the_handshake(connect: Connect) -> None:
    def trickle(sock: socket.socket) -> None:
        sock.recv(1000)
        for byte in b"\x16\x03\x03\x7f\xff" + b"x" * 1000:
            sock.send(bytes([byte]))
            time.sleep(0.05)

    with Server(trickle) as server:
        begun = time.monotonic()
        with pytest.raises((TimeoutError, ssl.SSLError)):
            connect(("127.0.0.1", server.port), timeout=0.4, use_ssl=True)
        assert time.monotonic() - begun < 3
