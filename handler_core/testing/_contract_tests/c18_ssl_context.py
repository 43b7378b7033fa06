"""C18: TLS that a library sets up by itself, with a context of the handler."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._contract_tests.certificates import Certificates
from handler_core.testing._contract_tests.connection_helpers import ConnectionSuite
from handler_core.testing._time_limits import LIMIT
from handler_core.testing.echo_server import RunningServer, running_server

__all__ = ["SSLContextTests"]

Wrap = Callable[[RunningServer], Any]


class SSLContextTests(ConnectionSuite):
    """C18: TLS that a library sets up by itself."""

    @pytest.fixture
    def wrapped(self, handler: Handler, certificates: Certificates) -> Wrap:
        """Return what connects to a server, and then does TLS as a library does it."""
        context = handler.ssl_context(ca=certificates.authority)

        def wrapped(server: RunningServer) -> Any:
            plain = handler.create_connection(server.address, timeout=LIMIT)
            return context.wrap_socket(plain, server_hostname="localhost")

        return wrapped

    def test_c18_a_library_sets_tls_up(self, handler: Handler, certificates: Certificates) -> None:
        """It wraps a connected socket, or one that it connects afterwards."""
        context = handler.ssl_context(ca=certificates.authority)
        assert isinstance(context, ssl.SSLContext)
        with running_server(certificate=certificates.issue("localhost")) as server:
            connected = handler.socket()
            connected.connect(server.address)
            for plain, is_connected in (
                (handler.create_connection(server.address, timeout=LIMIT), True),
                (connected, True),
                (handler.socket(), False),
            ):
                plain.settimeout(LIMIT)
                secure: Any = context.wrap_socket(plain, server_hostname="localhost")
                with secure:
                    if not is_connected:
                        secure.connect(server.address)
                    assert secure.gettimeout() == LIMIT
                    assert secure.version().startswith("TLS")
                    self.echoes(secure)
                    with secure.makefile("rwb") as file:
                        file.write(b"a line\nand another\n")
                        file.flush()
                        assert [file.readline(), file.readline()] == [b"a line\n", b"and another\n"]
                assert plain.fileno() == secure.fileno() == -1

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_a_context_checks_the_server(
        self, handler: Handler, certificates: Certificates
    ) -> None:
        """It checks the certificate and the name unless the caller says otherwise."""
        wrong, stranger = certificates.issue("example.invalid"), certificates.stranger
        with running_server(certificate=wrong) as server:
            options: dict[str, Any]
            for options, accepted in (
                ({"ca": certificates.authority}, False),
                ({"ca": stranger, "check_hostname": False}, False),
                ({"ca": certificates.authority, "check_hostname": False}, True),
                ({"verify_certs": False}, True),
            ):
                context = handler.ssl_context(**options)
                plain = handler.create_connection(server.address, timeout=LIMIT)
                if accepted:
                    with context.wrap_socket(plain, server_hostname="localhost") as secure:
                        self.echoes(secure)
                else:
                    with pytest.raises(ssl.SSLCertVerificationError):
                        context.wrap_socket(plain, server_hostname="localhost")
        with pytest.raises(ValueError, match="verify_certs"):
            handler.ssl_context(verify_certs=False, check_hostname=True)

    def test_c18_the_handshake_of_a_library_lets_other_tasks_run(
        self, handler: Handler, certificates: Certificates, wrapped: Wrap
    ) -> None:
        """The server answers only after another task has run for a while and released it."""
        with running_server(certificate=certificates.issue("localhost"), hold=True) as server:
            task = handler.spawn(self._tick_and_release, handler, server)
            with wrapped(server) as secure:
                self.echoes(secure)
            self.ended(task)

    def test_c18_reading_tls_lets_other_tasks_run(
        self, handler: Handler, certificates: Certificates, wrapped: Wrap
    ) -> None:
        """A read may time out, and the next one gets what the server sends then."""
        certificate = certificates.issue("localhost")
        with (
            running_server(certificate=certificate, hold_echo=True) as server,
            wrapped(server) as secure,
        ):
            secure.sendall(b"late")
            secure.settimeout(0.05)
            with pytest.raises(TimeoutError):
                secure.recv(4)
            secure.settimeout(0)
            with pytest.raises((ssl.SSLWantReadError, BlockingIOError)):
                secure.recv(4)
            secure.settimeout(LIMIT)
            task = handler.spawn(self._tick_and_release, handler, server)
            with secure.makefile("rb") as file:
                assert file.read(4) == b"late"
            self.ended(task)

    def test_c18_nothing_is_lost_before_tls(
        self, handler: Handler, certificates: Certificates, wrapped: Wrap
    ) -> None:
        """What was sent before the handshake arrives, and what was looked at is not read twice."""
        certificate = certificates.issue("localhost")
        context = handler.ssl_context(ca=certificates.authority)
        with running_server(certificate=certificate, greet=True) as server:
            plain = handler.create_connection(server.address, timeout=LIMIT)
            greeting = b""
            while len(greeting) < 6:
                self.select(handler, [plain], [], [])
                plain.pending()
                greeting += plain.recv(6 - len(greeting))
            assert greeting == b"hello\n"
            for word in (b"let us", b" go on", b" in secret\n"):
                plain.send(word)
            with context.wrap_socket(plain, server_hostname="localhost") as secure:
                self.echoes(secure)

    def test_c18_ten_megabytes_of_tls(
        self, handler: Handler, certificates: Certificates, wrapped: Wrap
    ) -> None:
        """They go out in one ``sendall``, and come back."""
        data = os.urandom(1_000_000) * 10
        certificate = certificates.issue("localhost")
        with (
            running_server(certificate=certificate, whole=True) as server,
            wrapped(server) as secure,
        ):
            secure.sendall(len(data).to_bytes(8) + data)
            with secure.makefile("rb") as file:
                assert file.read(len(data)) == data

    def test_c18_shutting_tls_down_ends_a_read(
        self, handler: Handler, certificates: Certificates, wrapped: Wrap
    ) -> None:
        """A task that reads gets the end, or an ``OSError``, when another one shuts it down."""
        received: list[object] = []

        def read(secure: Any) -> None:
            try:
                received.append(secure.recv(1))
            except OSError:  # gevent's own sockets have it so
                received.append(b"")

        certificate = certificates.issue("localhost")
        with running_server(certificate=certificate) as server, wrapped(server) as secure:
            self.echoes(secure)
            task = handler.spawn(read, secure)
            handler.sleep_func(0.02)
            secure.shutdown(socket.SHUT_RDWR)
            self.ended(task)
        assert received == [b""]

    def test_c18_a_connection_with_the_context_of_the_caller(
        self, handler: Handler, certificates: Certificates
    ) -> None:
        """It may be one of the module ``ssl``. Other tasks run with that too."""
        plain = ssl.create_default_context(cafile=certificates.authority)
        with running_server(certificate=certificates.issue("localhost"), hold=True) as server:
            task = handler.spawn(self._tick_and_release, handler, server)
            for context in (plain, handler.ssl_context(ca=certificates.authority)):
                with handler.create_connection(
                    server.address, timeout=LIMIT, ssl_context=context, hostname="localhost"
                ) as secure:
                    assert secure.gettimeout() == LIMIT
                    self.echoes(secure)
                with pytest.raises(ssl.SSLCertVerificationError):
                    handler.create_connection(server.address, timeout=LIMIT, ssl_context=context)
                with pytest.raises(ValueError, match="ca"):
                    handler.create_connection(
                        server.address, ssl_context=context, ca=certificates.authority
                    )
            self.ended(task)

    def test_c18_tls_over_a_unix_socket(
        self, handler: Handler, certificates: Certificates, tmp_path: Path
    ) -> None:
        """It needs the name to check."""
        path = os.path.relpath(tmp_path / "socket")
        ca = certificates.authority
        with running_server(certificate=certificates.issue("localhost"), path=path):
            with handler.create_connection(
                path, timeout=LIMIT, use_ssl=True, ca=ca, hostname="localhost"
            ) as secure:
                self.echoes(secure)
            with pytest.raises(ValueError, match="hostname"):
                handler.create_connection(path, timeout=LIMIT, use_ssl=True, ca=ca)

    def _tick_and_release(self, handler: Handler, server: RunningServer) -> None:
        for _ in range(50):
            handler.sleep_func(0.001)
        handler.create_connection(server.release, timeout=LIMIT).close()
