from __future__ import annotations

import contextlib
import errno
import gc
import socket
import weakref
from typing import Any

import pytest

from handler_core import create_tcp_connection, create_tcp_socket, get_handler

from .servers import Connect, Server, echo, resolving_to, silent, unused_port

pytestmark = pytest.mark.usefixtures("_nothing_left_open")


# One address.


def test_a_tcp_socket() -> None:
    for sock in (
        create_tcp_socket(),
        create_tcp_socket(socket),
        get_handler("threading").socket(),
    ):
        with sock:
            assert sock.family == socket.AF_INET
            assert sock.type == socket.SOCK_STREAM
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert not sock.get_inheritable()


@pytest.mark.parametrize("timeout", [None, 5, 5.5])
def test_a_connection(connect: Connect, timeout: float | None) -> None:
    with Server(echo) as server, connect(("127.0.0.1", server.port), timeout) as sock:
        assert sock.gettimeout() == timeout
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not sock.get_inheritable()
        assert sock.getpeername() == server.address
        sock.sendall(b"hello")
        assert sock.recv(100) == b"hello"


def test_ipv6(connect: Connect) -> None:
    try:
        server = Server(echo, socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 on loopback")
    with server:
        for address in (("::1", server.port), ("::1", server.port, 0, 0)):
            with connect(address, timeout=10) as sock:
                assert sock.family == socket.AF_INET6
                sock.sendall(b"six")
                assert sock.recv(10) == b"six"


def test_the_default_timeout(connect: Connect) -> None:
    socket.setdefaulttimeout(7)
    try:
        with Server(silent) as server, connect(("127.0.0.1", server.port)) as sock:
            assert sock.gettimeout() == 7
    finally:
        socket.setdefaulttimeout(None)


@pytest.mark.parametrize("hostname", [12345, None, "", object(), b"x", "x" * 1000])
def test_without_tls_the_hostname_may_be_anything(connect: Connect, hostname: object) -> None:
    with Server(silent) as server:
        connect(("127.0.0.1", server.port), timeout=10, hostname=hostname).close()


def test_a_refused_connection(connect: Connect) -> None:
    address = ("127.0.0.1", unused_port())
    with pytest.raises(ConnectionRefusedError) as caught:
        connect(address, timeout=10)
    assert "127.0.0.1" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan")])
def test_a_bad_timeout(connect: Connect, timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        connect(("127.0.0.1", unused_port()), timeout)


def test_a_timeout_that_is_no_number(connect: Connect) -> None:
    with pytest.raises(TypeError):
        connect(("127.0.0.1", unused_port()), "1")


def test_no_time_at_all(connect: Connect) -> None:
    with Server(silent) as server, pytest.raises(TimeoutError) as caught:
        connect(("127.0.0.1", server.port), 0)
    assert caught.value.errno == errno.ETIMEDOUT


def test_an_endless_timeout(connect: Connect) -> None:
    with Server(silent) as server, connect(("localhost", server.port), float("inf")) as sock:
        assert sock.gettimeout() is None


@pytest.mark.parametrize("port", [-1, 65536, 70000, 2**40])
def test_a_port_that_there_is_not(connect: Connect, port: int) -> None:
    with pytest.raises(OverflowError, match="port"):
        connect(("127.0.0.1", port), 5)


def test_unknown_options(connect: Connect) -> None:
    with pytest.raises(TypeError):
        connect(("127.0.0.1", 1), use_tls=True)


def test_a_handler_connects_before_start_and_after_stop() -> None:
    handler = get_handler("threading")

    def works(port: int) -> bool:
        with handler.create_connection(("localhost", port), timeout=20) as sock:
            sock.sendall(b"x")
            return bool(sock.recv(1) == b"x")

    with Server(echo) as server:
        assert works(server.port)
        handler.start()
        assert works(server.port)
        handler.stop()
        assert works(server.port)


@pytest.mark.parametrize("address", [2181, None, ("localhost",), [], {"host": 1, "port": 2}])
def test_an_address_that_is_no_pair(address: object) -> None:
    with pytest.raises(TypeError, match=r"write \(host, port\)"):
        create_tcp_connection(socket, address)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["localhost:2181", b"localhost"])
def test_an_address_in_one_text_is_a_path(address: str | bytes) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        create_tcp_connection(socket, address)
    assert "write (host, port)" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("source", "error"),
    [("127.0.0.1", TypeError), (("127.0.0.1",), TypeError), (("", 70000), OverflowError)],
)
def test_a_source_that_is_no_address(connect: Connect, source: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        connect(("127.0.0.1", unused_port()), 5, source_address=source)


def test_a_source_of_another_family(connect: Connect) -> None:
    with pytest.raises(OSError, match="another family") as caught:
        connect(("127.0.0.1", unused_port()), 5, source_address=("::1", 0))
    assert caught.value.errno == errno.EADDRNOTAVAIL


# Several addresses.


def test_the_next_address_where_one_refuses(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(echo) as server:
        resolving_to(monkeypatch, ("127.0.0.1", unused_port()), ("127.0.0.1", server.port))
        with connect(("zoo.example", 1), timeout=10) as sock:
            assert sock.getpeername() == server.address
        with connect(("zoo.example", 1)) as sock:
            assert sock.getpeername() == server.address


def test_the_next_address_where_one_never_answers(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, blackhole: tuple[str, int]
) -> None:
    with Server(echo) as server:
        resolving_to(monkeypatch, blackhole, blackhole, ("127.0.0.1", server.port))
        with connect(("zoo.example", 1), timeout=3) as sock:
            assert sock.getpeername() == server.address
            assert sock.gettimeout() == 3


def test_where_all_refuse_all_are_named(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, ("127.0.0.1", unused_port()), ("127.0.0.2", unused_port()))
    with pytest.raises(ConnectionRefusedError) as caught:
        connect(("zoo.example", 1), timeout=10)
    notes = "".join(caught.value.__notes__)
    assert "127.0.0.1" in notes
    assert "127.0.0.2" in notes


def test_a_family_that_this_machine_has_not(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name may have an address of a family for which the kernel makes no sockets."""
    real = socket.socket

    def without_ipv6(family: int = -1, *args: Any, **kwargs: Any) -> Any:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(family, *args, **kwargs)

    with Server(echo) as server:
        resolving_to(monkeypatch, ("::1", server.port), ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "socket", without_ipv6)
        with connect(("zoo.example", 1), timeout=10) as sock:
            assert sock.getpeername() == server.address
        monkeypatch.undo()


def test_a_failed_connect_leaves_no_cycle(connect: Connect) -> None:
    class Marker:
        pass

    def fail() -> weakref.ref[Marker]:
        marker = Marker()
        with contextlib.suppress(ConnectionRefusedError):
            connect(("127.0.0.1", unused_port()), timeout=10)
        return weakref.ref(marker)

    gc.collect()
    gc.disable()
    try:
        assert fail()() is None
    finally:
        gc.enable()
