"""System calls that keep the interpreter's lock, and give it away in time."""

from __future__ import annotations

import select
import socket
import sys
import threading
import types
from collections.abc import Iterator
from typing import Any

import pytest

from handler_core import create_socket_pair, get_handler, poll_select
from handler_core.network import _lock_turns, _short_calls
from handler_core.network._short_calls import (
    NativeSocket,
    ShortCalls,
    ShortPoll,
    quick_select,
    short_poll,
    short_receiver,
    short_send,
)

needs_lock = pytest.mark.skipif(
    _short_calls.short_calls() is None, reason="no lock to keep, or no way to keep it"
)


@pytest.fixture
def ends() -> Iterator[tuple[NativeSocket, NativeSocket]]:
    ours = [
        NativeSocket(each.family, each.type, each.proto, each.detach())
        for each in socket.socketpair()
    ]
    yield ours[0], ours[1]
    for end in ours:
        end.close()


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each call keep the lock."""
    monkeypatch.setattr(_lock_turns, "_TURN", 3600.0)
    monkeypatch.setattr(_lock_turns, "_LEAST_STREAK", 0)
    _lock_turns.lock_was_free()


@needs_lock
@pytest.mark.usefixtures("always")
def test_what_is_sent_is_received(ends: tuple[NativeSocket, NativeSocket]) -> None:
    one, other = ends
    receiver = short_receiver(10)
    assert receiver is not None
    for data in (b"abc", bytearray(b"abc"), memoryview(b"xabc")[1:]):
        assert short_send(one, data) == 3
        assert receiver.recv(other, 2, socket.MSG_PEEK) == b"ab"
        assert receiver.recv(other, 100, 0) == b"abc"
    one.close()
    assert receiver.recv(other, 10, 0) == b""


@needs_lock
@pytest.mark.usefixtures("always")
def test_what_takes_the_ordinary_way(ends: tuple[NativeSocket, NativeSocket]) -> None:
    one, other = ends
    receiver = short_receiver(10)
    assert receiver is not None
    assert receiver.recv(other, 10, 0) is None  # it would wait
    assert receiver.recv(other, -1, 0) is None
    for data in ("text", 3, None, bytes(1_000_000), memoryview(b"a-b-c")[::2]):
        assert short_send(one, data) == -1
    while short_send(one, bytes(60_000)) > 0:
        pass
    with pytest.raises(BlockingIOError):
        one.send(b"x", socket.MSG_DONTWAIT)
    other.close()
    assert short_send(one, b"x") == -1
    with pytest.raises(BrokenPipeError):
        one.send(b"x")
    assert receiver.recv(other, 10, 0) is None
    with pytest.raises(OSError, match="Bad file descriptor"):
        other.recv(1)


@needs_lock
def test_poll(ends: tuple[NativeSocket, NativeSocket]) -> None:
    one, other = ends
    masks = {one.fileno(): select.POLLIN, other.fileno(): select.POLLIN | select.POLLOUT}
    polled = ShortPoll(ShortCalls(), masks)
    assert polled.poll() == [(other.fileno(), select.POLLOUT)]
    other.send(b"x")
    assert polled.poll() == [(one.fileno(), select.POLLIN), (other.fileno(), select.POLLOUT)]
    number = one.fileno()
    one.close()
    assert (number, select.POLLNVAL) in polled.poll()
    assert (short_poll(masks) is None) is (quick_select is not None)
    assert short_poll(dict.fromkeys(range(1000), select.POLLIN)) is None


@needs_lock
@pytest.mark.usefixtures("always")
def test_no_other_thread_runs_meanwhile(ends: tuple[NativeSocket, NativeSocket]) -> None:
    """The interpreter is told to take the lock from nobody. So it is only given away."""
    one, other = ends
    polled = short_poll({other.fileno(): select.POLLIN})
    receiver = short_receiver(1)
    assert receiver is not None
    turns = [0]
    over = False

    def count() -> None:
        while not over:
            turns[0] += 1
            select.select([], [], [], 0)  # gives the lock away

    interval = sys.getswitchinterval()
    thread = threading.Thread(target=count)
    sys.setswitchinterval(3600)
    try:
        thread.start()
        before = turns[0]
        for _ in range(1000):
            assert short_send(one, b"x") == 1
            if polled is None:
                assert poll_select([other], [], [], 10) == ([other], [], [])
            else:
                assert polled.poll()
            assert receiver.recv(other, 1, 0) == b"x"
        assert turns[0] == before
        while turns[0] == before:
            select.select([], [], [], 0)
    finally:
        over = True
        sys.setswitchinterval(interval)
        thread.join()


def test_the_lock_is_given_away_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    sleeps: list[float] = []
    monkeypatch.setattr(_lock_turns, "time", types.SimpleNamespace(monotonic=lambda: now))
    fake = types.SimpleNamespace(select=lambda *args: sleeps.append(args[-1]))
    monkeypatch.setattr(_lock_turns, "unpatched_select", fake)
    _lock_turns.lock_was_free()
    assert (_lock_turns._LEAST_STREAK > 0) is (quick_select is None)
    for _ in range(_lock_turns._LEAST_STREAK):  # waits that have ended at once
        assert not _lock_turns.may_keep_lock()
        _lock_turns.note_wait(1e-6)
    assert [_lock_turns.may_keep_lock() for _ in range(3)] == [True] * 3
    now += 150e-6
    assert [_lock_turns.may_keep_lock() for _ in range(3)] == [False, True, True]
    assert not sleeps
    for _ in range(10):
        now += 150e-6
        _lock_turns.may_keep_lock()
    assert len(sleeps) == 1
    _lock_turns.note_wait(0.001)  # a new turn, and the end of a streak
    assert _lock_turns.may_keep_lock() is (_lock_turns._LEAST_STREAK == 0)
    assert len(sleeps) == 1


@pytest.mark.parametrize("short", ["always", "in turns", "never", "missing"])
def test_a_client_and_a_server(short: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection does the same where there are no short calls."""
    if short == "missing":
        monkeypatch.setattr(_short_calls, "short_calls", lambda: None)
    if short in ("always", "never"):
        monkeypatch.setattr(_lock_turns, "_TURN", 3600.0 if short == "always" else -1.0)
    handler = get_handler("threading")
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = handler.create_connection(server.getsockname(), 60)
        accepted, _ = server.accept()
    reader, writer = create_socket_pair()
    message = bytes(range(256)) * 40

    def serve() -> None:
        with accepted:
            for _ in range(50):
                left = len(message)
                while left:
                    left -= len(accepted.recv(left))
                accepted.sendall(message)

    def ring() -> None:
        for _ in range(50):
            writer.send(b"x")

    threads = [threading.Thread(target=func) for func in (serve, ring)]
    for thread in threads:
        thread.start()
    rung = 0
    with client, reader, writer:
        for _ in range(50):
            assert _exchange(client, memoryview(message)) == message
        while rung < 50:
            assert poll_select([client, reader], [], [], 60)[0][-1] is reader
            rung += len(reader.recv(7))
        for thread in threads:
            thread.join()
        assert client.recv(1) == b""
        assert client.pending() == 0


def _exchange(client: Any, message: memoryview) -> bytes:
    sent = 0
    while sent < len(message):
        assert poll_select([], [client], [], 60)[1] == [client]
        sent += client.send(message[sent:])
    received = b""
    while len(received) < len(message):
        if not client.pending():
            assert poll_select([client], [], [], 60)[0] == [client]
        received += client.recv(len(message) - len(received))
    return received
