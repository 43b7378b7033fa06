from __future__ import annotations

import os
import random
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handler_core import create_socket_pair, get_handler, poll_select

MEGABYTE = b"".join(number.to_bytes(4, "big") for number in range(250_000))


@pytest.fixture(params=["function", "handler"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Any]]:
    pair = (
        create_socket_pair()
        if request.param == "function"
        else get_handler("threading").create_socket_pair()
    )
    yield pair
    for end in pair:
        end.close()


def read_all(end: Any, size: int, chunk: int = 65536) -> bytes:
    end.settimeout(30)
    data = bytearray()
    while len(data) < size:
        more = end.recv(chunk)
        assert more, "the end came early"
        data += more
    return bytes(data)


def is_readable(end: Any) -> bool:
    return bool(select.select([end], [], [], 0)[0])


def test_they_are_sockets(ends: tuple[Any, Any]) -> None:
    for end in ends:
        assert isinstance(end, socket.socket)
        assert not end.get_inheritable()
        assert end.gettimeout() is None
    left, right = ends
    assert left.send(b"abc") == 3
    assert right.recv(10) == b"abc"
    assert right.sendall(b"de") is None
    assert left.recv(1) == b"d"
    assert left.recv(1) == b"e"


def test_100_000_wake_ups_before_a_read(ends: tuple[Any, Any]) -> None:
    left, right = ends
    for _ in range(100_000):
        assert left.send(b"\0") == 1
    assert is_readable(right)
    assert read_all(right, 100_000) == bytes(100_000)
    assert not is_readable(right)


def test_select_tells_the_truth_to_the_last_byte(ends: tuple[Any, Any]) -> None:
    left, right = ends
    for _ in range(5000):
        left.send(b"\0")
    right.setblocking(False)
    for _ in range(5000):
        assert is_readable(right)
        assert right.recv(1) == b"\0"
    assert not is_readable(right)
    with pytest.raises(BlockingIOError):
        right.recv(1)


@pytest.mark.parametrize("chunk", [1000, 65536, 10_000_000])
def test_the_order_is_kept(ends: tuple[Any, Any], chunk: int) -> None:
    left, right = ends
    sent = bytearray()
    for size in (1, 300_000, 1, 1, 7, 400_000, 2):
        piece = MEGABYTE[len(sent) : len(sent) + size]
        assert left.send(piece) == size
        sent += piece
    assert read_all(right, len(sent), chunk) == sent


def test_random_reads_and_writes_keep_the_order(ends: tuple[Any, Any]) -> None:
    left, right = ends
    numbers = random.Random(4)
    sent = got = 0
    right.setblocking(False)
    while got < len(MEGABYTE):
        if sent < len(MEGABYTE) and numbers.random() < 0.5:
            size = numbers.choice([1, 1, 1, 10, 50_000])
            sent += left.send(MEGABYTE[sent : sent + size])
        elif is_readable(right):
            data = right.recv(numbers.choice([1, 100, 100_000]))
            assert data == MEGABYTE[got : got + len(data)]
            got += len(data)
        else:
            assert got == sent


def test_both_directions(ends: tuple[Any, Any]) -> None:
    left, right = ends
    assert left.send(MEGABYTE) == len(MEGABYTE)
    assert right.send(MEGABYTE[::-1]) == len(MEGABYTE)
    assert read_all(right, len(MEGABYTE)) == MEGABYTE
    assert read_all(left, len(MEGABYTE)) == MEGABYTE[::-1]


@pytest.mark.parametrize("kind", [bytearray, memoryview, "array"])
def test_other_kinds_of_data(ends: tuple[Any, Any], kind: Any) -> None:
    import array

    left, right = ends
    data = array.array("I", [1, 2]) if kind == "array" else kind(b"12345678")
    assert left.send(data) == 8
    assert right.recv(100) == bytes(data)
    assert left.send(b"") == 0
    for wrong in ("text", 3, None):
        with pytest.raises(TypeError):
            left.send(wrong)


def test_recv_into(ends: tuple[Any, Any]) -> None:
    left, right = ends
    left.send(MEGABYTE)
    got = bytearray()
    buffer = bytearray(100_000)
    while len(got) < len(MEGABYTE):
        size = right.recv_into(buffer)
        got += buffer[:size]
    assert got == MEGABYTE
    left.send(b"abc")
    assert right.recv_into(buffer, 2) == 2
    with pytest.raises(ValueError, match="buffer"):
        right.recv_into(bytearray(1), 5)
    with pytest.raises(ValueError, match="-1"):
        right.recv_into(buffer, -1)
    with pytest.raises(TypeError):
        right.recv_into(b"read-only")
    assert right.recv_into(buffer) == 1
    assert buffer[:1] == b"c"


def test_makefile(ends: tuple[Any, Any]) -> None:
    left, right = ends
    with left.makefile("wb") as writer, right.makefile("rb") as reader:
        writer.write(MEGABYTE)
        writer.flush()
        assert reader.read(len(MEGABYTE)) == MEGABYTE


def test_a_file_outlives_the_close_of_its_socket(ends: tuple[Any, Any]) -> None:
    left, right = ends
    writer = left.makefile("wb", buffering=0)
    left.close()
    writer.write(b"after the close")
    writer.close()
    assert read_all(right, 15) == b"after the close"
    assert right.recv(1) == b""


# Closing.


def test_a_close_with_data_kept(ends: tuple[Any, Any]) -> None:
    left, right = ends
    left.send(MEGABYTE)
    left.close()
    left.close()
    got = bytearray()
    while True:
        assert is_readable(right)
        data = right.recv(50_000)
        if not data:
            break
        got += data
    assert got == MEGABYTE
    assert right.recv(1) == b""
    with pytest.raises(BrokenPipeError):
        right.send(b"x")


def test_a_closed_reader(ends: tuple[Any, Any]) -> None:
    left, right = ends
    right.close()
    with pytest.raises(BrokenPipeError):
        left.send(b"x")


def test_a_reader_that_closes_with_data_kept(ends: tuple[Any, Any]) -> None:
    left, right = ends
    left.send(MEGABYTE)
    right.close()
    with pytest.raises(BrokenPipeError):
        left.send(b"x")
    assert is_readable(left)


def test_a_closed_writer(ends: tuple[Any, Any]) -> None:
    left, _ = ends
    left.close()
    for call in (lambda: left.send(b"x"), lambda: left.sendall(b"x"), lambda: left.recv(1)):
        with pytest.raises(OSError, match="Bad file descriptor"):
            call()


@pytest.mark.parametrize("kept", [False, True])
def test_a_writer_that_shuts_down(ends: tuple[Any, Any], kept: bool) -> None:
    left, right = ends
    data = MEGABYTE if kept else b"abc"
    left.send(data)
    left.shutdown(socket.SHUT_WR)
    got = bytearray()
    while more := right.recv(70_000):
        got += more
    assert got == data
    with pytest.raises(BrokenPipeError):
        left.send(b"x")


def test_no_descriptor_is_left_open() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        left, right = create_socket_pair()
        left.send(MEGABYTE)
        right.recv(10)
        right.send(b"x")
        left.close()
        right.close()
    assert len(os.listdir("/proc/self/fd")) == before
    left, right = create_socket_pair()
    with left, right:
        assert len(os.listdir("/proc/self/fd")) > before
    assert len(os.listdir("/proc/self/fd")) == before


# Non-blocking.


def test_a_non_blocking_pair(ends: tuple[Any, Any]) -> None:
    left, right = ends
    left.setblocking(0)
    right.setblocking(0)
    with pytest.raises(BlockingIOError):
        right.recv(1)
    assert left.send(MEGABYTE) == len(MEGABYTE)
    assert read_all(right, len(MEGABYTE)) == MEGABYTE
    right.settimeout(0.01)
    with pytest.raises(TimeoutError):
        right.recv(1)


def test_a_blocked_reader_is_woken(ends: tuple[Any, Any]) -> None:
    left, right = ends
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(right.recv(10)))
    reader.start()
    left.send(b"x")
    reader.join(30)
    assert got == [b"x"]


# Threads.


def test_no_wake_up_is_lost() -> None:
    """There are many writers, and one reader that waits in select as a client's loop does."""
    for blocking in (True, False):
        left, right = create_socket_pair()
        with left, right:
            right.setblocking(blocking)
            total = 4 * 20_000

            def write(left: Any = left) -> None:
                for _ in range(20_000):
                    left.send(b"\0")

            writers = [threading.Thread(target=write, daemon=True) for _ in range(4)]
            for writer in writers:
                writer.start()
            got = 0
            numbers = random.Random(1)
            while got < total:
                readable, _, _ = poll_select([right], [], [], 30)
                assert readable == [right], f"{total - got} bytes never came"
                got += len(right.recv(numbers.choice([1, 10, 1000, 100_000])))
                if numbers.random() < 0.001:
                    time.sleep(0.005)
            for writer in writers:
                writer.join(30)
            assert got == total
            assert not is_readable(right)


def test_ping_pong(ends: tuple[Any, Any]) -> None:
    left, right = ends
    rounds = 2000

    def echo() -> None:
        for _ in range(rounds):
            poll_select([right], [], [], 30)
            right.send(right.recv(1))

    thread = threading.Thread(target=echo, daemon=True)
    thread.start()
    for number in range(rounds):
        byte = bytes([number % 256])
        left.send(byte)
        assert poll_select([left], [], [], 30)[0] == [left]
        assert left.recv(1) == byte
    thread.join(30)
    assert not thread.is_alive()


def received_by_two(ends: tuple[Any, Any], message: bytes, count: int) -> int:
    """Send a message again and again. Return how many bytes two readers have got together."""
    left, right = ends
    got: list[int] = []

    def read() -> None:
        while data := right.recv(7):
            got.append(len(data))

    readers = [threading.Thread(target=read, daemon=True) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(count):
        left.send(message)
    left.close()
    for reader in readers:
        reader.join(30)
        assert not reader.is_alive()
    return sum(got)


def test_two_readers_share_what_comes(ends: tuple[Any, Any]) -> None:
    assert received_by_two(ends, b"\0", 20_000) == 20_000


def test_an_end_that_is_dropped_is_an_end_that_is_closed() -> None:
    first, second = create_socket_pair()
    with second:
        second.settimeout(30)
        first.send(b"last words")
        with pytest.warns(ResourceWarning):
            del first
        assert second.recv(100) == b"last words"
        assert second.recv(1) == b""


def test_a_reader_that_shuts_down_with_data_kept(ends: tuple[Any, Any]) -> None:
    left, right = ends
    left.send(MEGABYTE)
    right.shutdown(socket.SHUT_RD)

    def send_on() -> None:
        while True:
            left.send(b"x")

    with pytest.raises(BrokenPipeError):
        send_on()


def test_a_reader_that_is_detached_loses_nothing(ends: tuple[Any, Any]) -> None:
    left, right = ends
    for _ in range(3000):
        left.send(b"x")
    received = 0
    with socket.socket(right.family, right.type, fileno=right.detach()) as plain:
        plain.setblocking(False)
        while received < 3000:
            try:
                received += len(plain.recv(65536))
            except BlockingIOError:  # an ordinary socket relies on further sends
                time.sleep(0.002)
                left.send(b"y")


def test_a_duplicate_is_an_ordinary_socket(ends: tuple[Any, Any]) -> None:
    left, right = ends
    left.send(b"x")
    with right.dup() as double:
        assert double.recv(1) == b"x"
        double.send(b"y")
    assert left.recv(1) == b"y"


# Unusual uses.


def test_sendfile(ends: tuple[Any, Any], tmp_path: Path) -> None:
    left, right = ends
    left.send(b"before")
    path = tmp_path / "file"
    path.write_bytes(b"from a file")
    with path.open("rb") as file:
        assert left.sendfile(file) == 11
    left.send(b"after")
    assert read_all(right, 22) == b"beforefrom a fileafter"


def test_a_peek_takes_nothing(ends: tuple[Any, Any]) -> None:
    left, right = ends
    left.send(b"abc")
    assert right.recv(2, socket.MSG_PEEK) == b"ab"
    assert right.recvmsg(2)[0] == b"ab"
    assert right.recv(2) == b"c"


@pytest.fixture
def quick_switches() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("quick_switches")
@pytest.mark.parametrize("both", [False, True])
def test_a_duplicate_is_made_while_another_thread_sends(both: bool) -> None:
    doubles: list[Any] = []
    for _ in range(100):
        left, right = create_socket_pair()

        def send(left: Any = left) -> None:
            for _ in range(300):
                left.send(b"x")

        duplicates = [left.dup, right.dup] if both else [left.dup]
        threads = [threading.Thread(target=send)]
        threads += [
            threading.Thread(target=lambda dup=dup: doubles.append(dup())) for dup in duplicates
        ]
        with left, right:
            for thread in threads:
                thread.start()
            assert read_all(right, 300, 100) == b"x" * 300
            for thread in threads:
                thread.join()
            assert not is_readable(right)
            while doubles:
                doubles.pop().close()


@pytest.mark.usefixtures("quick_switches")
def test_two_readers_take_parts_of_messages(ends: tuple[Any, Any]) -> None:
    assert received_by_two(ends, b"0123456789", 5_000) == 50_000
