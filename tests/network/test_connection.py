from __future__ import annotations

import array
import errno
import fcntl
import os
import random
import select
import socket
import struct
import termios
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from handler_core import create_tcp_connection, get_handler

with warnings.catch_warnings(action="ignore"):  # eventlet warns that it is deprecated
    HANDLER = get_handler(os.environ.get("HANDLER_CORE_TEST_HANDLER", "threading"))


@pytest.fixture(params=["function", "handler"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[Any, socket.socket]]:
    """Return a connection, and the socket at its other end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        if request.param == "function":
            sock = create_tcp_connection(HANDLER.socket_module, server.getsockname(), timeout=10)
        else:
            sock = HANDLER.create_connection(server.getsockname(), timeout=10)
        other, _ = server.accept()
    with sock, other:
        yield sock, other


def wait_for(sock: Any, count: int) -> None:
    """Wait until so many bytes have arrived, without calling the connection's methods."""
    buffer = array.array("i", [0])
    while buffer[0] < count:
        assert select.select([sock.fileno()], [], [], 10)[0]
        fcntl.ioctl(sock.fileno(), termios.FIONREAD, buffer)


def is_readable(sock: Any) -> bool:
    return bool(select.select([sock.fileno()], [], [], 0)[0])


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_it_says_how_much_is_there(ends: tuple[Any, socket.socket]) -> None:
    sock, other = ends
    assert sock.pending() == 0
    other.sendall(b"0123456789")
    wait_for(sock, 10)
    assert sock.pending() == 10
    assert sock.recv(4) == b"0123"
    assert sock.pending() == 6
    assert sock.recv(100) == b"456789"
    assert sock.pending() == 0


def test_it_never_waits(ends: tuple[Any, socket.socket]) -> None:
    sock, _ = ends
    for timeout in (None, 0.0, 3600):
        sock.settimeout(timeout)
        assert sock.pending() == 0


def test_the_descriptor_is_readable_as_long_as_something_is_unread(
    ends: tuple[Any, socket.socket],
) -> None:
    sock, other = ends
    other.sendall(b"abc")
    wait_for(sock, 3)
    assert sock.pending() == 3
    for _ in range(3):
        assert is_readable(sock)
        assert len(sock.recv(1)) == 1
    assert not is_readable(sock)


def test_what_comes_later_is_not_lost(ends: tuple[Any, socket.socket]) -> None:
    sock, other = ends
    other.sendall(b"first")
    wait_for(sock, 5)
    assert sock.pending() == 5
    other.sendall(b"second")
    wait_for(sock, 11)
    assert sock.recv(2) == b"fi"
    assert sock.recv(100) == b"rst"
    assert sock.pending() == 6
    assert sock.recv(100) == b"second"


READERS: list[Callable[[Any], bytes]] = [
    lambda sock: sock.recv(3),
    lambda sock: sock.recv(3, socket.MSG_PEEK) and sock.recv(3),
    lambda sock: sock.recvfrom(3)[0],
    lambda sock: sock.recvmsg(3)[0],
    lambda sock: (buffer := bytearray(3), sock.recv_into(buffer))[0],
    lambda sock: (buffer := bytearray(3), sock.recvfrom_into(buffer))[0],
    lambda sock: (buffer := bytearray(3), sock.recvmsg_into([buffer]))[0],
]


@pytest.mark.parametrize("read", READERS)
def test_every_way_to_receive_goes_on_where_the_last_one_ended(
    ends: tuple[Any, socket.socket], read: Callable[[Any], bytes]
) -> None:
    sock, other = ends
    other.sendall(b"0123456789")
    wait_for(sock, 10)
    assert sock.pending() == 10
    assert sock.recv(2) == b"01"
    assert read(sock) == b"234"
    assert sock.pending() == 5
    assert read(sock) == b"567"
    assert sock.recv(100) == b"89"


def test_any_mixture_of_ways_to_receive_gets_the_stream(ends: tuple[Any, socket.socket]) -> None:
    sock, other = ends
    dice = random.Random(1)
    sent, got = bytearray(), bytearray()
    while len(got) < 50_000:
        unread = len(sent) - len(got)
        if unread < 3:
            data = dice.randbytes(dice.randrange(3, 5000))
            other.sendall(data)
            sent += data
            wait_for(sock, 3 + unread)  # the readers with a buffer of 3 need so many
            continue
        if dice.random() < 0.5:
            assert 0 <= sock.pending() <= unread
        if dice.random() < 0.2:
            wait_for(sock, 3)
            got += dice.choice(READERS)(sock)
        else:
            got += sock.recv(dice.randrange(1, 3000))
        assert sent.startswith(got)


def test_a_file_of_it(ends: tuple[Any, socket.socket]) -> None:
    sock, other = ends
    other.sendall(b"one\ntwo\n")
    wait_for(sock, 8)
    assert sock.pending() == 8
    assert sock.recv(2) == b"on"
    with sock.makefile("rb") as file:
        assert file.readline() == b"e\n"
        assert file.readline() == b"two\n"


def test_a_duplicate_and_the_bare_descriptor(ends: tuple[Any, socket.socket]) -> None:
    sock, other = ends
    before = descriptors()
    other.sendall(b"0123456789")
    wait_for(sock, 10)
    assert sock.pending() == 10
    assert sock.recv(2) == b"01"
    with sock.dup() as double:
        assert isinstance(double, HANDLER.socket_module.socket)
        assert double.gettimeout() == sock.gettimeout()
        assert double.recv(2) == b"23"
    assert sock.pending() == 6
    assert sock.recv(1) == b"4"
    fd = sock.detach()
    try:
        assert os.read(fd, 100) == b"56789"
        assert descriptors() == before
    finally:
        os.close(fd)


def test_the_end(ends: tuple[Any, socket.socket]) -> None:
    sock, other = ends
    other.sendall(b"last")
    other.close()
    wait_for(sock, 4)
    assert sock.pending() == 4
    assert sock.recv(100) == b"last"
    assert sock.pending() == 0
    assert is_readable(sock)
    assert sock.recv(100) == b""


def test_who_receives_hears_of_a_broken_connection(ends: tuple[Any, socket.socket]) -> None:
    sock, other = ends
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    other.close()  # with a reset
    assert select.select([sock.fileno()], [], [], 10)[0]
    assert sock.pending() == 0
    assert sock.pending() == 0
    assert is_readable(sock)
    if HANDLER.name == "eventlet":  # eventlet's sockets report that as the end
        assert sock.recv(1) == b""
    else:
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_closed_socket(ends: tuple[Any, socket.socket]) -> None:
    sock, other = ends
    other.sendall(b"unread")
    wait_for(sock, 6)
    assert sock.pending() == 6
    assert sock.recv(1) == b"u"
    sock.close()
    for use in (sock.pending, lambda: sock.recv(1)):
        with pytest.raises(OSError, match="descriptor") as caught:
            use()
        assert caught.value.errno == errno.EBADF


def test_a_size_that_is_none_leaves_all_as_it_was(ends: tuple[Any, socket.socket]) -> None:
    sock, other = ends
    other.sendall(b"abc")
    wait_for(sock, 3)
    assert sock.pending() == 3
    with pytest.raises(TypeError):
        sock.recv(2.5)
    assert sock.recv(2) == b"ab"
    assert sock.recv(2) == b"c"


def test_a_second_reader_breaks_nothing(ends: tuple[Any, socket.socket]) -> None:
    sock, other = ends
    other.sendall(b"abc")
    wait_for(sock, 3)
    assert sock.pending() == 3
    assert os.read(sock.fileno(), 100) == b"abc"
    assert sock.recv(3) == b"abc"
    other.sendall(b"def")
    wait_for(sock, 3)
    assert sock.recv(3) == b"def"


def test_it_takes_no_descriptor_of_its_own(ends: tuple[Any, socket.socket]) -> None:
    sock, other = ends
    before = descriptors()
    other.sendall(b"x")
    wait_for(sock, 1)
    assert sock.pending() == 1
    assert descriptors() == before
    sock.close()
    assert len(descriptors()) == len(before) - 1
    with pytest.raises(ConnectionResetError):  # it was closed with something unread
        other.recv(1)


def test_close_is_seen_through_files_and_duplicates(ends: tuple[Any, socket.socket]) -> None:
    sock, other = ends
    assert sock.pending() == 0
    file, double = sock.makefile("rb"), sock.dup()
    sock.close()
    double.close()
    other.settimeout(0.01)
    with pytest.raises(TimeoutError):
        other.recv(1)
    file.close()
    other.settimeout(10)
    assert other.recv(1) == b""


def test_one_that_is_forgotten_leaves_nothing() -> None:
    before = descriptors()
    with socket.create_server(("127.0.0.1", 0)) as server:
        forgotten: Any = HANDLER.create_connection(server.getsockname())
        other, _ = server.accept()
        assert forgotten.pending() == 0
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            del forgotten
            HANDLER.sleep_func(0)  # eventlet's hub drops it in its next turn
        with other:
            assert other.recv(1) == b""
    assert descriptors() == before


@pytest.mark.parametrize("what", ["connection", "pair"])
def test_a_default_timeout_changes_nothing(what: str) -> None:
    socket.setdefaulttimeout(3600)
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            if what == "connection":
                sock = HANDLER.create_connection(server.getsockname(), timeout=10)
                other, _ = server.accept()
            else:
                sock, other = HANDLER.create_socket_pair()
        with sock, other:
            if what == "connection":
                assert sock.pending() == 0
            else:
                for _ in range(3000):  # more than fit into the kernel's buffer
                    sock.send(b"x")
                assert sum(len(other.recv(100)) for _ in range(30)) == 3000
                sock, other = other, sock
            other.sendall(b"y")
            assert sock.recv(1) == b"y"
            sock.settimeout(0.01)
            with pytest.raises(TimeoutError):
                sock.recv(1)
    finally:
        socket.setdefaulttimeout(None)


def test_tls_begins_where_the_connection_was(ends: tuple[Any, socket.socket]) -> None:
    sock, other = ends
    other.sendall(b"220 go\nMORE")
    wait_for(sock, 11)
    assert sock.pending() == 11
    assert sock.recv(7) == b"220 go\n"
    context = HANDLER.ssl_context(check_hostname=False)
    with context.wrap_socket(sock, do_handshake_on_connect=False) as wrapped:
        assert os.read(wrapped.fileno(), 100) == b"MORE"
    assert other.recv(1) == b""


def test_it_is_a_socket_of_its_module(ends: tuple[Any, socket.socket]) -> None:
    sock, _ = ends
    assert isinstance(sock, HANDLER.socket_module.socket)
    sock.setblocking(False)
    assert sock.pending() == 0
    with pytest.raises(BlockingIOError):
        sock.recv(1)
