"""C18: connections with TLS."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._contract_tests.certificates import Certificates
from handler_core.testing._contract_tests.connection_helpers import ConnectionSuite
from handler_core.testing._time_limits import LIMIT
from handler_core.testing.echo_server import running_server

__all__ = ["TLSTests"]


class TLSTests(ConnectionSuite):
    """C18: connections with TLS."""

    def test_c18_tls(self, handler: Handler, certificates: Certificates) -> None:
        """The client accepts the right certificate, for a name and for an address."""
        for host in ("localhost", "127.0.0.1"):
            with running_server(certificate=certificates.issue(host)) as server:
                with handler.create_connection(
                    server.address,
                    timeout=LIMIT,
                    use_ssl=True,
                    ca=certificates.authority,
                    hostname=host,
                ) as connection:
                    assert connection.version().startswith("TLS")
                    assert connection.gettimeout() == LIMIT
                    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                    assert not os.get_inheritable(connection.fileno())
                    self.echoes(connection)
                    # kazoo's reader does the following.
                    connection.setblocking(0)
                    with pytest.raises((ssl.SSLWantReadError, BlockingIOError)):
                        connection.recv(1)
                    assert connection.pending() == 0
                    connection.send(b"two")
                    assert self.select(handler, [connection], [], [])[0] == [connection]
                    assert connection.recv(1) == b"t"
                    assert connection.pending() == 2
                    assert connection.recv(2) == b"wo"
                # The name to check is that of the address, unless the caller gives another.
                with handler.create_connection(
                    (host, server.address[1]), use_ssl=True, ca=certificates.authority
                ) as connection:
                    assert connection.gettimeout() is None
                    self.echoes(connection)

    @pytest.mark.usefixtures("no_descriptor_left")
    @pytest.mark.parametrize(
        "wrong",
        ["name", "name of address", "address", "date", "authority", "default authorities"],
    )
    def test_c18_a_wrong_certificate_is_refused(
        self, handler: Handler, certificates: Certificates, wrong: str
    ) -> None:
        """It has a wrong name, is expired or has an unknown authority. Nothing stays open."""
        wrong_name = wrong in ("name", "name of address", "address")
        certificate = certificates.issue(
            "example.invalid" if wrong_name else "localhost", expired=wrong == "date"
        )
        # Without a hostname, the name of the address is checked.
        host = "localhost" if wrong == "name of address" else "127.0.0.1"
        name: dict[str, Any] = {"hostname": "localhost"}
        if wrong in ("name of address", "address"):
            name = {}
        authority = {
            "authority": certificates.stranger,
            "default authorities": None,
        }.get(wrong, certificates.authority)
        with running_server(certificate=certificate) as server:
            with pytest.raises(ssl.SSLCertVerificationError):
                handler.create_connection(
                    (host, server.address[1]), timeout=LIMIT, use_ssl=True, ca=authority, **name
                )
            # The handler stays usable, and the caller may turn the check off.
            with handler.create_connection(
                server.address, timeout=LIMIT, use_ssl=True, verify_certs=False
            ) as connection:
                self.echoes(connection)

    def test_c18_the_name_is_not_checked_where_the_caller_says_so(
        self, handler: Handler, certificates: Certificates
    ) -> None:
        """The certificate is still checked."""
        with running_server(certificate=certificates.issue("example.invalid")) as server:
            with handler.create_connection(
                server.address,
                timeout=LIMIT,
                use_ssl=True,
                ca=certificates.authority,
                check_hostname=False,
            ) as connection:
                self.echoes(connection)
            with pytest.raises(ssl.SSLCertVerificationError):
                handler.create_connection(
                    server.address,
                    timeout=LIMIT,
                    use_ssl=True,
                    ca=certificates.stranger,
                    check_hostname=False,
                )
        with pytest.raises(ValueError, match="verify_certs"):
            handler.create_connection(
                ("127.0.0.1", 1), use_ssl=True, verify_certs=False, check_hostname=True
            )

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_authorities_that_are_missing(self, handler: Handler, tmp_path: Path) -> None:
        """The call raises an ``OSError``, and no descriptor stays open."""
        with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(FileNotFoundError):
            handler.create_connection(
                listener.getsockname(), timeout=LIMIT, use_ssl=True, ca=str(tmp_path / "none.pem")
            )

    @pytest.mark.filterwarnings("ignore:ssl.OP_NO_SSL.*:DeprecationWarning")  # clients set them
    def test_c18_options_of_tls(self, handler: Handler, certificates: Certificates) -> None:
        """The caller may give a client certificate, ciphers, and flags of the context."""
        ciphers = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"]
        with (
            running_server(
                certificate=certificates.issue("localhost"), authority=certificates.authority
            ) as server,
            handler.create_connection(
                server.address,
                timeout=LIMIT,
                use_ssl=True,
                ca=certificates.authority,
                hostname="localhost",
                certfile=certificates.issue("client.invalid"),
                ciphers=":".join(ciphers),
                options=ssl.OP_NO_TLSv1_3,
            ) as connection,
        ):
            assert connection.version() == "TLSv1.2"
            assert connection.cipher()[0] in ciphers
            self.echoes(connection)

    def test_c18_the_handshake_lets_other_tasks_run(
        self, handler: Handler, certificates: Certificates
    ) -> None:
        """The server answers only after another task has run for a while and released it."""
        with running_server(certificate=certificates.issue("localhost"), hold=True) as server:

            def tick_and_release() -> None:
                for _ in range(50):
                    handler.sleep_func(0.001)
                handler.create_connection(server.release, timeout=LIMIT).close()

            task = handler.spawn(tick_and_release)
            with handler.create_connection(
                server.address,
                timeout=LIMIT,
                use_ssl=True,
                ca=certificates.authority,
                hostname="localhost",
            ) as connection:
                self.echoes(connection)
            self.ended(task)

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_one_deadline_covers_the_handshake(
        self, handler: Handler, certificates: Certificates
    ) -> None:
        """A server that accepts and sends nothing costs the timeout, and no descriptor."""
        with (
            running_server(certificate=certificates.issue("localhost"), hold=True) as server,
            pytest.raises(TimeoutError),
        ):
            handler.create_connection(
                server.address,
                timeout=0.2,
                use_ssl=True,
                ca=certificates.authority,
                hostname="localhost",
            )

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_the_deadline_is_not_for_each_byte(
        self, handler: Handler, certificates: Certificates
    ) -> None:
        """A server that sends its answer byte by byte cannot extend the deadline."""
        with running_server(trickle=True) as server, pytest.raises(TimeoutError):
            handler.create_connection(
                server.address,
                timeout=0.3,
                use_ssl=True,
                ca=certificates.authority,
                hostname="localhost",
            )
