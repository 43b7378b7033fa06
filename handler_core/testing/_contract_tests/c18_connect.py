"""C18: connections without TLS."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._contract_tests.connection_helpers import ConnectionSuite
from handler_core.testing._contract_tests.silent_address import silent_address
from handler_core.testing._open_descriptors import open_descriptors
from handler_core.testing._time_limits import LIMIT
from handler_core.testing.echo_server import running_server

__all__ = ["ConnectTests"]


def _addresses_of_localhost() -> set[str]:
    return {str(info[4][0]) for info in socket.getaddrinfo("localhost", 1, 0, socket.SOCK_STREAM)}


class ConnectTests(ConnectionSuite):
    """C18: sockets and connections without TLS."""

    def test_c18_create_connection(self, handler: Handler) -> None:
        """It returns a connected socket with the usual options and the caller's timeout."""
        with running_server() as server:
            with handler.create_connection(server.address, timeout=LIMIT) as connection:
                self.echoes(connection)
                assert connection.getpeername() == server.address
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert connection.gettimeout() == LIMIT
                assert not os.get_inheritable(connection.fileno())
            with handler.create_connection(server.address) as connection:
                assert connection.gettimeout() is None
                self.echoes(connection)
            # Without TLS, its parameters have no effect. kazoo passes a port as the host's name.
            with handler.create_connection(server.address, hostname=2181) as connection:
                self.echoes(connection)

    @pytest.mark.parametrize("kind", ["text", "bytes", "path", "abstract"])
    def test_c18_unix_sockets(self, handler: Handler, kind: str) -> None:
        """An address may be the path of a Unix socket, or an abstract name."""
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "socket")
            addresses: dict[str, Any] = {"text": path, "bytes": path.encode(), "path": Path(path)}
            if kind == "abstract":
                address: Any = f"\0handler-core-{os.getpid()}-{id(handler)}"
                listener = socket.socket(socket.AF_UNIX)
                listener.bind(address)
                listener.listen()
                with listener:
                    handler.create_connection(address, timeout=LIMIT).close()
                return
            with (
                running_server(path=path),
                handler.create_connection(addresses[kind], timeout=LIMIT) as connection,
            ):
                assert connection.family == socket.AF_UNIX
                assert connection.gettimeout() == LIMIT
                assert connection.pending() == 0
                self.echoes(connection)

    def test_c18_a_busy_unix_server(self, handler: Handler) -> None:
        """The connection waits until the server has room for it, and other tasks run meanwhile."""
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
            path = str(Path(folder) / "socket")
            listener.bind(path)
            listener.listen(0)
            waiting = [socket.socket(socket.AF_UNIX) for _ in range(4)]
            for each in waiting:
                each.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    each.connect(path)
            with pytest.raises(TimeoutError):
                handler.create_connection(path, timeout=0.05)

            def accept() -> None:
                handler.sleep_func(0.02)
                listener.accept()[0].close()

            task = handler.spawn(accept)
            handler.create_connection(path, timeout=LIMIT).close()
            self.ended(task)
            for each in waiting:
                each.close()

    def test_c18_where_a_connection_comes_from(self, handler: Handler) -> None:
        """``source_address`` says it, by an address or by a name."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for source in ("127.0.0.2", "localhost", ""):
                with handler.create_connection(
                    listener.getsockname(), timeout=LIMIT, source_address=(source, 0)
                ) as connection:
                    host = "127.0.0.2" if source == "127.0.0.2" else "127.0.0.1"
                    assert connection.getsockname()[0] == host
            with pytest.raises(OSError):  # noqa: PT011 - the message is the system's
                handler.create_connection(
                    listener.getsockname(), timeout=LIMIT, source_address=("192.0.2.1", 0)
                )
            with pytest.raises(ValueError, match="source_address"):
                handler.create_connection("/no/path", source_address=("127.0.0.1", 0))

    def test_c18_socket(self, handler: Handler) -> None:
        """``handler.socket()`` makes a TCP socket of the model."""
        with running_server() as server, handler.socket() as connection:
            assert connection.type == socket.SOCK_STREAM
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert not os.get_inheritable(connection.fileno())
            connection.connect(server.address)
            self.echoes(connection)

    def test_c18_before_start_and_after_stop(self, idle: Handler) -> None:
        """A client stops its handler before its own loop has ended."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            for _ in range(2):
                idle.create_connection(listener.getsockname(), timeout=LIMIT).close()
                idle.create_connection(("localhost", listener.getsockname()[1])).close()
                idle.start()
                idle.stop()
            idle.create_connection(listener.getsockname(), timeout=LIMIT).close()

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_c18_every_address_of_a_name_is_tried(self, handler: Handler, host: str) -> None:
        """The server is found at an IPv6 address and at an IPv4 address."""
        if host not in _addresses_of_localhost():
            pytest.skip(f"on this machine, {host} is no address of localhost")
        with running_server(host) as server:
            address = ("localhost", server.address[1])
            with handler.create_connection(address, timeout=LIMIT) as connection:
                assert connection.getpeername()[:2] == server.address
                self.echoes(connection)

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_nobody_listens(self, handler: Handler) -> None:
        """The call raises an ``OSError``, and no descriptor stays open."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
        with pytest.raises(ConnectionRefusedError):
            handler.create_connection(address, timeout=LIMIT)
        with pytest.raises(OSError):  # noqa: PT011 - the message is the system's
            handler.create_connection(("no-such-host.invalid", 1), timeout=LIMIT)
        with pytest.raises(FileNotFoundError):
            handler.create_connection("/no/such/path", timeout=LIMIT)

    def test_c18_a_connection_lets_other_tasks_run(self, handler: Handler) -> None:
        """Other tasks run while a task receives from it."""
        theirs, ours = self.tcp_pair(handler)
        with theirs, ours:

            def send() -> None:
                handler.sleep_func(0.01)
                theirs.send(b"x")

            task = handler.spawn(send)
            assert ours.recv(1) == b"x"
            self.ended(task)

    def test_c18_non_blocking_sockets(self, handler: Handler) -> None:
        """``setblocking(0)`` works, with the usual errors."""
        theirs, ours = self.tcp_pair(handler)
        with theirs, ours:
            ours.setblocking(0)
            with pytest.raises(BlockingIOError):
                ours.recv(1)
            assert ours.pending() == 0
            theirs.send(b"xy")
            assert self.select(handler, [ours], [], [])[0] == [ours]
            assert ours.recv(1) == b"x"
            assert ours.recv(1) == b"y"

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_a_connect_lets_other_tasks_run(self, handler: Handler) -> None:
        """Other tasks run while the peer does not answer."""
        ticks: list[int] = []

        def tick() -> None:
            for number in range(10):
                handler.sleep_func(0.001)
                ticks.append(number)

        with silent_address() as silent:
            for timeout in (0.1, 1, LIMIT):  # the longer ones are for a busy machine
                task = handler.spawn(tick)
                with pytest.raises(TimeoutError) as caught:
                    handler.create_connection(silent, timeout=timeout)
                assert isinstance(caught.value, handler.timeout_exception)
                in_time = bool(ticks)
                self.ended(task)
                if in_time:
                    return
                ticks.clear()
        pytest.fail("other tasks stand still during a connect")

    def test_c18_what_is_no_error_of_the_system_leaves_nothing_open_either(
        self, handler: Handler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Ctrl-C or a kill, for example, may come at any time."""

        class Killed(BaseException):
            pass

        class Socket(handler.socket_module.socket):  # type: ignore[misc, name-defined]
            def connect(self, address: Any) -> None:
                super().connect(address)
                raise Killed

        with socket.create_server(("127.0.0.1", 0)) as listener:
            # A model may open something once, at its first use. Let it do so before the count.
            handler.create_connection(listener.getsockname(), timeout=LIMIT).close()
            monkeypatch.setattr(handler.socket_module, "socket", Socket)
            before = open_descriptors()
            with pytest.raises(Killed) as raised:
                handler.create_connection(listener.getsockname(), timeout=LIMIT)
            # The exception keeps the frames and their sockets alive. So the sockets must have been
            # closed, and not only freed.
            assert open_descriptors() <= before, "a descriptor is left open"
            del raised
