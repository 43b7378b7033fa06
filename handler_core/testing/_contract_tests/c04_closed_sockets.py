"""C4: nobody waits for a socket that another task has closed."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._contract_tests.certificates import Certificates
from handler_core.testing._contract_tests.connection_helpers import ConnectionSuite
from handler_core.testing._time_limits import LIMIT
from handler_core.testing.echo_server import running_server

__all__ = ["ClosedSocketTests"]

_WAYS = ["recv", "select", "select among others"]


def _close(sock: Any) -> None:
    sock.shutdown(socket.SHUT_RDWR)
    sock.close()


class ClosedSocketTests(ConnectionSuite):
    """C4: a socket that is shut down and closed resumes who waits for it."""

    @pytest.mark.parametrize("way", _WAYS)
    @pytest.mark.parametrize("kind", ["connection", "end of a pair", "socket", "accepted socket"])
    def test_c4_a_socket_that_is_closed_resumes_who_waits(
        self, handler: Handler, kind: str, way: str
    ) -> None:
        """``recv`` returns nothing or raises; ``select`` reports the socket or raises."""
        ends: list[Any] = []
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
            if kind == "connection":
                sock = handler.create_connection(address, timeout=LIMIT)
                ends.append(server.accept()[0])
            elif kind == "end of a pair":
                sock, other = handler.create_socket_pair()
                ends.append(other)
            elif kind == "socket":
                sock = handler.socket()
                sock.connect(address)
                ends.append(server.accept()[0])
            else:
                listening = handler.socket()
                listening.bind(("127.0.0.1", 0))
                listening.listen()
                ends.append(listening)
                ends.append(socket.create_connection(listening.getsockname()))
                sock = listening.accept()[0]
        self.resumes_who_waits(handler, sock, way)
        for end in ends:
            end.close()

    @pytest.mark.parametrize("way", _WAYS)
    def test_c4_a_tls_connection_that_is_closed_resumes_who_waits(
        self, handler: Handler, certificates: Certificates, way: str
    ) -> None:
        """It does as a plain one does."""
        certificate = certificates.issue("localhost")
        with running_server(certificate=certificate) as server:
            sock = handler.create_connection(
                server.address,
                timeout=LIMIT,
                use_ssl=True,
                ca=certificates.authority,
                hostname="localhost",
            )
            self.echoes(sock)  # what the server sends of its own accord has come by then
            self.resumes_who_waits(handler, sock, way)

    @pytest.mark.parametrize("way", _WAYS)
    @pytest.mark.parametrize("where", ["a task", "an OS thread"])
    def test_c4_a_socket_resumes_who_waits_whoever_closes_it(
        self, handler: Handler, where: str, way: str
    ) -> None:
        """Another thread may close it, and the number of its descriptor may be used again."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
            sock = handler.create_connection(address, timeout=LIMIT)
            end, _ = server.accept()
            again: list[Any] = []

            def connect_again() -> None:
                again.append(handler.create_connection(address, timeout=LIMIT))

            def close() -> None:
                _close(sock)
                if at_once:
                    connect_again()

            # The kernel's `poll` looks the numbers up again when it is woken. A thread that waits
            # in it may find the next file there.
            at_once = handler.cooperative or way == "recv"
            self.resumes_who_waits(handler, sock, way, lambda: self.run_in(where, handler, close)())
            if not at_once:
                connect_again()
            other_end, _ = server.accept()
            with end, other_end, again[0]:
                other_end.send(b"x")
                assert self.woken(lambda _: again[0].recv(1)) == b"x"

    @pytest.mark.parametrize("way", _WAYS)
    @pytest.mark.parametrize("where", ["a task", "an OS thread"])
    @pytest.mark.parametrize("how", ["shutdown", "close"])
    def test_c4_one_of_shutdown_and_close_is_enough(
        self, handler: Handler, how: str, where: str, way: str
    ) -> None:
        """The system leaves a thread that waits for a closed descriptor where it is."""
        if how == "close" and not handler.cooperative:
            how = "shutdown"
        theirs, sock = self.tcp_pair(handler)

        def end() -> None:
            if how == "close":
                sock.close()
            else:
                sock.shutdown(socket.SHUT_RDWR)

        self.resumes_who_waits(handler, sock, way, lambda: self.run_in(where, handler, end)())
        theirs.close()
        sock.close()

    @pytest.mark.parametrize("how", ["by a recv and a select", "by two selects"])
    def test_c4_a_socket_that_is_closed_resumes_all_who_wait(
        self, handler: Handler, how: str
    ) -> None:
        """There may be several. A duplicate of a socket does so too, on a hub or loop."""
        theirs, ours = self.tcp_pair(handler)
        for sock in (ours.dup(), ours) if handler.cooperative else (ours,):
            first = "recv" if how == "by a recv and a select" else "select"
            outcomes: list[Any] = []
            sock.settimeout(None)
            tasks = [
                handler.spawn(self.wait_for, handler, [sock], way, outcomes)
                for way in (first, "select")
            ]
            handler.sleep_func(0.05)  # time for them to park
            _close(sock)
            self.ended(*tasks)
            assert len(outcomes) == 2
        theirs.close()

    @pytest.mark.parametrize("where", ["a task", "an OS thread"])
    @pytest.mark.parametrize("buffers", ["small", "as they are"])
    @pytest.mark.parametrize("method", ["send", "sendall"])
    def test_c4_a_shutdown_resumes_who_waits_in_a_send(
        self, handler: Handler, method: str, buffers: str, where: str
    ) -> None:
        """The send raises. What earlier ones have taken arrives."""
        theirs, sock = self.tcp_pair(handler)
        sock.settimeout(None)
        if buffers == "small":
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        taken: list[int] = []
        errors: list[Exception] = []

        def send() -> None:
            data = bytes(10_000)
            try:
                while True:
                    taken.append(sock.send(data))
                    if method == "sendall" and sum(taken) >= 50_000:
                        sock.sendall(bytes(100_000_000))
            except OSError as error:
                errors.append(error)

        task = handler.spawn(send)
        before = -1
        while len(taken) > before:  # it sends until nothing more is taken
            before = len(taken)
            handler.sleep_func(0.05)
        self.run_in(where, handler, lambda: sock.shutdown(socket.SHUT_RDWR))()
        self.ended(task)
        assert len(errors) == 1
        received = 0
        while handler.select([theirs], [], [], LIMIT)[0] and (data := theirs.recv(100_000)):
            received += len(data)
        assert received == sum(taken) if method == "send" else received >= sum(taken)
        theirs.close()
        sock.close()

    def wait_for(self, handler: Handler, sockets: list[Any], way: str, outcomes: list[Any]) -> None:
        """Wait for sockets, the first of which is closed meanwhile, and note the outcome."""
        try:
            outcomes.append(
                sockets[0].recv(1) if way == "recv" else handler.select(sockets, [], [])
            )
        except (OSError, ValueError) as error:  # ValueError: it waits after the close
            outcomes.append(error)

    def resumes_who_waits(
        self, handler: Handler, sock: Any, way: str, close: Callable[[], object] | None = None
    ) -> None:
        """Let a task wait for a socket, close that, and check that the task ends."""
        sock.settimeout(None)
        first, second = handler.create_socket_pair()
        outcomes: list[Any] = []
        sockets = [sock, first] if way == "select among others" else [sock]
        with first, second:
            task = handler.spawn(self.wait_for, handler, sockets, way, outcomes)
            handler.sleep_func(0.05)  # time for it to park
            if close is None:
                _close(sock)
            else:
                close()
            self.ended(task)
        (outcome,) = outcomes
        assert isinstance(outcome, Exception) or outcome in (b"", ([sock], [], []))
