"""C18: connections, look-ups and TLS."""

from __future__ import annotations

import _socket
import contextlib
import datetime
import errno
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from handler_core import Handler
from handler_core.network._resolver import AddressInfo
from handler_core.testing.server import running_server
from handler_core.testing.suite import LIMIT, LONG, Suite, open_descriptors

__all__ = ["ConnectionTests"]


def _addresses_of_localhost() -> set[str]:
    return {str(info[4][0]) for info in socket.getaddrinfo("localhost", 1, 0, socket.SOCK_STREAM)}


def _address_info(address: tuple[Any, ...]) -> AddressInfo:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address


class _Resolver:
    """Answers questions for names when it is told to, or when its patience is over.

    Those for addresses the system answers.
    """

    def __init__(self, handler: Handler) -> None:
        self.found: list[AddressInfo] = []
        self.patience = LONG
        self.released = False
        self._told = handler.event_object()
        self._answer_address = _socket.getaddrinfo
        # No library patches these: a thread that reads from them stands still.
        self._button, self._bell = _socket.socketpair()

    def release(self) -> None:
        """Answer from now on."""
        self.released = True
        self._told.set()
        self._button.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._button.close()
        self._bell.close()

    def answer_task(self, *question: Any, **more: Any) -> Any:
        """Stand in for the ``getaddrinfo`` of a model's module."""
        return self._answer(lambda: self._told.wait(self.patience), *question, **more)

    def answer_thread(self, *question: Any, **more: Any) -> Any:
        """Stand in for that of the C library, which a model calls in a thread."""
        return self._answer(self._hear, *question, **more)

    def _hear(self) -> None:
        self._bell.settimeout(self.patience)
        with contextlib.suppress(TimeoutError):
            self._bell.recv(1)

    def _answer(
        self,
        wait: Callable[[], object],
        host: Any,
        port: Any,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        try:
            return self._answer_address(
                host, port, family, type, proto, flags | socket.AI_NUMERICHOST
            )
        except socket.gaierror:  # it is a name
            if flags & socket.AI_NUMERICHOST:
                raise
        wait()
        return self.found


@contextlib.contextmanager
def _silent_address() -> Iterator[tuple[str, int]]:
    """Yield an address of this machine that answers nobody.

    The system drops what would be one connection more than a listener is ready to take.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(8):
            # Of no library, and it stands still for a moment.
            filler = _socket.socket()
            stack.callback(filler.close)
            filler.settimeout(0.05)
            try:
                filler.connect(address)
            except TimeoutError:
                break
        else:
            pytest.skip("this system takes any number of connections")
        yield address


class _Certificates:
    """A certification authority of the test's own, and what it has signed, as files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self.authority = str(folder / "authority.pem")
        self._authority.cert_pem.write_to_path(self.authority)
        self.stranger = str(folder / "stranger.pem")
        trustme.CA().cert_pem.write_to_path(self.stranger)

    def issue(self, name: str, *, expired: bool = False) -> str:
        """Return the file of a certificate for ``name``, with its key."""
        yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        before = yesterday - datetime.timedelta(days=1)
        issued = (
            self._authority.issue_cert(name, not_before=before, not_after=yesterday)
            if expired
            else self._authority.issue_cert(name)
        )
        path = str(self._folder / f"{name}.pem")
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        return path


class ConnectionTests(Suite):
    """C18 of the contract."""

    @pytest.fixture
    def certificates(self, tmp_path: Path) -> _Certificates:
        """Return certificates to serve, and an authority to trust."""
        return _Certificates(tmp_path)

    @pytest.fixture
    def no_descriptor_left(self, handler: Handler) -> Iterator[None]:
        """Check that the test closes what it opens."""
        # What a model opens once, at its first use.
        self.drained(handler)
        before = open_descriptors()
        yield
        assert open_descriptors() <= before, "a descriptor is left open"

    def echoes(self, connection: Any) -> None:
        """Check that there is an echo at the other end."""
        connection.sendall(b"echo")
        received = b""
        while len(received) < 4:
            received += connection.recv(4)
        assert received == b"echo"

    # C18: TCP.

    def test_c18_create_connection(self, handler: Handler) -> None:
        """A connected socket with the usual options, and the caller's timeout."""
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
            # Without TLS its parameters mean nothing: kazoo passes a port as the host's name.
            with handler.create_connection(server.address, hostname=2181) as connection:
                self.echoes(connection)

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
        """IPv6 and IPv4, wherever the server is."""
        if host not in _addresses_of_localhost():
            pytest.skip(f"on this machine, {host} is no address of localhost")
        with running_server(host) as server:
            address = ("localhost", server.address[1])
            with handler.create_connection(address, timeout=LIMIT) as connection:
                assert connection.getpeername()[:2] == server.address
                self.echoes(connection)

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_nobody_listens(self, handler: Handler) -> None:
        """An ``OSError``, and nothing left open."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
        with pytest.raises(ConnectionRefusedError):
            handler.create_connection(address, timeout=LIMIT)
        with pytest.raises(OSError):  # noqa: PT011 - the message is the system's
            handler.create_connection(("no-such-host.invalid", 1), timeout=LIMIT)

    def test_c18_a_connection_lets_other_tasks_run(self, handler: Handler) -> None:
        """A select on it, and a receive from it."""
        theirs, ours = self.tcp_pair(handler)
        with theirs, ours:

            def send() -> None:
                handler.sleep_func(0.01)
                theirs.send(b"x")

            task = handler.spawn(send)
            assert ours.recv(1) == b"x"
            self.ended(task)

    def test_c18_non_blocking_sockets(self, handler: Handler) -> None:
        """``setblocking(0)`` and the usual errors."""
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

    # C18: look-ups.

    @pytest.fixture
    def resolver(self, handler: Handler, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Resolver]:
        """Replace the resolver, that of the model's module and that of the system below it."""
        resolver = _Resolver(handler)
        monkeypatch.setattr(handler.socket_module, "getaddrinfo", resolver.answer_task)
        monkeypatch.setattr(_socket, "getaddrinfo", resolver.answer_thread)
        yield resolver
        resolver.release()
        resolver.close()

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_the_deadline_covers_the_look_up(
        self, handler: Handler, resolver: _Resolver
    ) -> None:
        """A resolver that does not answer costs the timeout, no more."""
        with pytest.raises(TimeoutError):
            handler.create_connection(("slow.invalid", 1), timeout=0.05)
        assert not resolver.released

    def test_c18_a_look_up_lets_other_tasks_run(
        self, handler: Handler, resolver: _Resolver
    ) -> None:
        """It is answered once another task has run for a while."""
        with running_server() as server:
            resolver.found = [_address_info(server.address)]

            def tick_and_release() -> None:
                for _ in range(20):
                    handler.sleep_func(0.001)
                resolver.release()

            task = handler.spawn(tick_and_release)
            with self.woken(
                lambda timeout: handler.create_connection(
                    ("slow.invalid", server.address[1]), timeout=timeout
                )
            ) as connection:
                self.echoes(connection)
            self.ended(task)

    @pytest.mark.usefixtures("no_descriptor_left")
    @pytest.mark.parametrize("use_ssl", [False, True], ids=["plain", "TLS"])
    def test_c18_the_addresses_are_tried_one_after_the_other(
        self,
        handler: Handler,
        certificates: _Certificates,
        monkeypatch: pytest.MonkeyPatch,
        resolver: _Resolver,
        use_ssl: bool,
    ) -> None:
        """The first few refuse or cannot be reached, if this machine can try them at all."""
        module = handler.socket_module

        class Unreachable(module.socket):  # type: ignore[misc, name-defined]
            def connect(self, address: Any) -> None:
                if address[:2] == ("127.0.0.1", 1):
                    raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
                super().connect(address)

        certificate = certificates.issue("localhost") if use_ssl else None
        tls: dict[str, Any] = {"use_ssl": use_ssl, "ca": certificates.authority}
        with running_server(certificate=certificate) as server, socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            monkeypatch.setattr(module, "socket", Unreachable)
            refusing = [_address_info(deaf.getsockname())] * 3
            others = [_address_info(("::1", 1)), _address_info(("127.0.0.1", 1))]
            resolver.found = [*others, *refusing, _address_info(server.address)]
            resolver.release()
            for timeout in (LIMIT, None):
                with handler.create_connection(
                    ("many.invalid", server.address[1]),
                    timeout=timeout,
                    hostname="localhost",
                    **tls,
                ) as connection:
                    assert connection.getpeername() == server.address
                    assert connection.gettimeout() == timeout
                    self.echoes(connection)
            resolver.found.pop()
            with pytest.raises(ConnectionRefusedError):
                handler.create_connection(("many.invalid", 1), timeout=LIMIT, **tls)

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_an_address_that_does_not_answer_leaves_time_for_the_next(
        self, handler: Handler, resolver: _Resolver
    ) -> None:
        """Where the first had all the time, no timeout would be long enough."""
        with _silent_address() as silent, socket.create_server(("127.0.0.1", 0)) as listener:
            resolver.found = [_address_info(silent), _address_info(listener.getsockname())]
            resolver.release()
            for timeout in (0.2, 2, LIMIT):  # for a busy machine
                try:
                    connection = handler.create_connection(("two.invalid", 1), timeout=timeout)
                except TimeoutError:
                    continue
                with connection:
                    assert connection.getpeername() == listener.getsockname()
                    assert connection.gettimeout() == timeout
                break
            else:
                pytest.fail("the first address has all the time")

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_a_connect_lets_other_tasks_run(self, handler: Handler) -> None:
        """While the other side does not answer."""
        ticks: list[int] = []

        def tick() -> None:
            for number in range(10):
                handler.sleep_func(0.001)
                ticks.append(number)

        with _silent_address() as silent:
            for timeout in (0.1, 1, LIMIT):  # for a busy machine
                task = handler.spawn(tick)
                with pytest.raises(TimeoutError):
                    handler.create_connection(silent, timeout=timeout)
                in_time = bool(ticks)
                self.ended(task)
                if in_time:
                    return
                ticks.clear()
        pytest.fail("other tasks stand still during a connect")

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_each_step_has_what_the_earlier_ones_left(
        self,
        handler: Handler,
        certificates: _Certificates,
        monkeypatch: pytest.MonkeyPatch,
        resolver: _Resolver,
    ) -> None:
        """Look-up, connect and handshake share one timeout; the first two take their time."""
        given: list[float] = []

        class SlowSocket(handler.socket_module.socket):  # type: ignore[misc, name-defined]
            def connect(self, address: Any) -> None:
                given.append(self.gettimeout())
                super().connect(address)
                handler.sleep_func(0.2)

        took: list[float] = []
        with running_server(certificate=certificates.issue("localhost"), hold=True) as server:
            monkeypatch.setattr(handler.socket_module, "socket", SlowSocket)
            resolver.found = [_address_info(server.address)]
            resolver.patience = 0.2
            for _ in range(10):  # for a busy machine
                begun = time.monotonic()
                with pytest.raises(TimeoutError):
                    handler.create_connection(
                        ("slow.invalid", server.address[1]),
                        timeout=0.5,
                        use_ssl=True,
                        ca=certificates.authority,
                        hostname="localhost",
                    )
                took.append(time.monotonic() - begun)
                if took[-1] < 0.7:
                    break
        assert max(given, default=0) <= 0.3, "connect is given more than what is left"
        assert min(took) < 0.7, "the handshake is given more than what is left"

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_what_comes_after_the_deadline_is_too_late(
        self, handler: Handler, resolver: _Resolver
    ) -> None:
        """Also where a look-up brings an address at last that would answer at once."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            resolver.found = [_address_info(listener.getsockname())]
            resolver.patience = 0.1
            with pytest.raises(TimeoutError):
                handler.create_connection(("slow.invalid", 1), timeout=0.05)

    def test_c18_what_is_no_error_of_the_system_leaves_nothing_open_either(
        self, handler: Handler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Such as Ctrl-C, or a kill, which may come at any time."""

        class Killed(BaseException):
            pass

        class Socket(handler.socket_module.socket):  # type: ignore[misc, name-defined]
            def connect(self, address: Any) -> None:
                super().connect(address)
                raise Killed

        with socket.create_server(("127.0.0.1", 0)) as listener:
            # What a model opens once, at its first use.
            handler.create_connection(listener.getsockname(), timeout=LIMIT).close()
            monkeypatch.setattr(handler.socket_module, "socket", Socket)
            before = open_descriptors()
            with pytest.raises(Killed) as raised:
                handler.create_connection(listener.getsockname(), timeout=LIMIT)
            # The exception has the frames, and what is in them; it is forgotten later.
            assert open_descriptors() <= before, "a descriptor is left open"
            del raised

    # C18: TLS.

    def test_c18_tls(self, handler: Handler, certificates: _Certificates) -> None:
        """The right certificate is accepted, for a name and for an address."""
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
                    # What kazoo's reader does.
                    connection.setblocking(0)
                    with pytest.raises((ssl.SSLWantReadError, BlockingIOError)):
                        connection.recv(1)
                    assert connection.pending() == 0
                    connection.send(b"two")
                    assert self.select(handler, [connection], [], [])[0] == [connection]
                    assert connection.recv(1) == b"t"
                    assert connection.pending() == 2
                    assert connection.recv(2) == b"wo"
                # The name is that of the address unless the caller says another.
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
        self, handler: Handler, certificates: _Certificates, wrong: str
    ) -> None:
        """Wrong name, expired, unknown authority; nothing is left open."""
        wrong_name = wrong in ("name", "name of address", "address")
        certificate = certificates.issue(
            "example.invalid" if wrong_name else "localhost", expired=wrong == "date"
        )
        # Who gives no name to check means that of the address.
        host = "localhost" if wrong == "name of address" else "127.0.0.1"
        name = {} if wrong in ("name of address", "address") else {"hostname": "localhost"}
        authority = {
            "authority": certificates.stranger,
            "default authorities": None,
        }.get(wrong, certificates.authority)
        with running_server(certificate=certificate) as server:
            with pytest.raises(ssl.SSLCertVerificationError):
                handler.create_connection(
                    (host, server.address[1]), timeout=LIMIT, use_ssl=True, ca=authority, **name
                )
            # The handler stays usable, and a caller who says so may do without the check.
            with handler.create_connection(
                server.address, timeout=LIMIT, use_ssl=True, verify_certs=False
            ) as connection:
                self.echoes(connection)

    def test_c18_the_name_is_not_checked_where_the_caller_says_so(
        self, handler: Handler, certificates: _Certificates
    ) -> None:
        """The certificate still is."""
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
        """An ``OSError``, and nothing left open."""
        with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(FileNotFoundError):
            handler.create_connection(
                listener.getsockname(), timeout=LIMIT, use_ssl=True, ca=str(tmp_path / "none.pem")
            )

    @pytest.mark.filterwarnings("ignore:ssl.OP_NO_SSL.*:DeprecationWarning")  # clients have them
    def test_c18_options_of_tls(self, handler: Handler, certificates: _Certificates) -> None:
        """The client's own certificate, ciphers, and flags of the context."""
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
        self, handler: Handler, certificates: _Certificates
    ) -> None:
        """The server answers only once another task has run for a while, and asked it to."""
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
        self, handler: Handler, certificates: _Certificates
    ) -> None:
        """A server that accepts and says nothing costs the timeout, no more, no descriptor."""
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
        self, handler: Handler, certificates: _Certificates
    ) -> None:
        """A server that trickles its answer cannot put it off."""
        with running_server(trickle=True) as server, pytest.raises(TimeoutError):
            handler.create_connection(
                server.address,
                timeout=0.3,
                use_ssl=True,
                ca=certificates.authority,
                hostname="localhost",
            )
