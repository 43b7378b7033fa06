"""A signal interrupts a ``send``, and its handler waits for the reader."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from interrupting import at_each_instruction

from handler_core import create_socket_pair, poll_select
from handler_core.network._pair_direction import Direction
from handler_core.network._short_calls import quick_select


def test_nothing_is_stuck_between_a_full_buffer_and_a_quick_reader() -> None:
    """Every byte arrives, though senders and the reader take no lock."""
    reader, writer = create_socket_pair()
    count = 200_000

    def write() -> None:
        for _ in range(count):
            writer.send(b"x")

    tasks = [threading.Thread(target=write, daemon=True) for _ in range(2)]
    for task in tasks:
        task.start()
    reader.settimeout(60)
    left = 2 * count
    while left:
        left -= len(reader.recv(5_000))
    for task in tasks:
        task.join(60)
    reader.setblocking(False)
    with pytest.raises(BlockingIOError):
        reader.recv(1)
    reader.close()
    writer.close()


class Stop(Exception):
    """What a signal handler raises."""


def raise_stop() -> None:
    raise Stop


@pytest.fixture
def pair() -> Iterator[list[Any]]:
    """The two ends of a pair, after :func:`renew`."""
    ends: list[Any] = []
    yield ends
    for end in ends:
        end.close()


def renew(pair: list[Any]) -> list[Any]:
    for end in pair:
        end.close()
    pair[:] = create_socket_pair()
    return pair


@pytest.mark.parametrize(
    "name", ["send", "_announce", "receive", "_take_last", "_token_away", "_look_again"]
)
@pytest.mark.parametrize("sent", [1, 2])
def test_a_signal_handler_that_raises_leaves_a_pair_that_works(
    name: str, sent: int, pair: list[Any]
) -> None:
    """It may raise at any instruction. Bytes of the interrupted call may come or not."""
    if name == "_token_away" and quick_select is not None:
        pytest.skip("compiled code takes the token away: HANDLER_CORE_PURE=1 tests the source")

    def setup() -> tuple[Callable[[], Any], Callable[[], Any]]:
        reader, writer = renew(pair)
        reader.settimeout(60)

        def body() -> None:
            with contextlib.suppress(Stop):
                for _ in range(sent):
                    writer.send(b"x")
                for _ in range(sent):
                    reader.recv(1)

        return body, raise_stop

    for _ in at_each_instruction(getattr(Direction, name), setup):
        reader, writer = pair
        reader.settimeout(1)
        while poll_select([reader], [], [], 0)[0]:
            assert reader.recv(1) == b"x"
        reader.settimeout(60)
        writer.send(b"y")
        assert poll_select([reader], [], [], 60)[0] == [reader]
        received = b""
        while not received.endswith(b"y"):
            received += reader.recv(1)
        reader.setblocking(False)
        with pytest.raises(BlockingIOError):
            reader.recv(1)
        assert poll_select([reader], [], [], 0)[0] == []
        writer.send(b"z")
        assert poll_select([reader], [], [], 60)[0] == [reader]
        assert reader.recv(2) == b"z"


@pytest.mark.parametrize("name", ["send", "_announce", "receive", "_take_last", "_look_again"])
def test_a_signal_handler_that_sends_and_receives(name: str, pair: list[Any]) -> None:
    """It interrupts the same thread at any instruction of a call on the same pair."""
    received: list[bytes] = []

    def setup() -> tuple[Callable[[], Any], Callable[[], Any]]:
        reader, writer = renew(pair)
        reader.setblocking(False)
        received.clear()

        def receive() -> None:
            with contextlib.suppress(BlockingIOError):
                received.append(reader.recv(1))

        def body() -> None:
            writer.send(b"x")
            writer.send(b"x")
            receive()
            receive()

        def interrupt() -> None:
            writer.send(b"x")
            receive()

        return body, interrupt

    for _ in at_each_instruction(getattr(Direction, name), setup):
        reader, _ = pair
        reader.settimeout(60)
        while len(received) < 3:
            assert poll_select([reader], [], [], 60)[0] == [reader]
            received.append(reader.recv(1))
        assert received == [b"x"] * 3
        reader.setblocking(False)
        with pytest.raises(BlockingIOError):
            reader.recv(1)
        assert poll_select([reader], [], [], 0)[0] == []


@pytest.mark.parametrize("name", ["send", "_announce"])
def test_a_signal_handler_that_sends_and_waits_for_the_reader(name: str, pair: list[Any]) -> None:
    """It interrupts a sender. With a lock, or with half an announcement, it would wait for ever."""
    received: list[bytes] = []

    def setup() -> tuple[Callable[[], Any], Callable[[], Any]]:
        reader, writer = renew(pair)
        received.clear()

        def read() -> None:
            if poll_select([reader], [], [], 10)[0]:
                received.append(reader.recv(1))

        def interrupt() -> None:
            writer.send(b"x")
            thread = threading.Thread(target=read)
            thread.start()
            thread.join()
            assert received == [b"x"]

        return lambda: writer.send(b"x"), interrupt

    for _ in at_each_instruction(getattr(Direction, name), setup):
        reader, _writer = pair
        assert poll_select([reader], [], [], 60)[0] == [reader]
        assert reader.recv(1) == b"x"
        assert poll_select([reader], [], [], 0)[0] == []
