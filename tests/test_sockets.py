from __future__ import annotations

import contextlib
import errno
import gc
import os
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority

from handler_core import create_tcp_connection, create_tcp_socket, get_handler

Connect = Callable[..., Any]


@pytest.fixture(params=["function", "handler"])
def connect(request: pytest.FixtureRequest) -> Connect:
    if request.param == "handler":
        handler = get_handler("threading")
        return handler.create_connection

    def connect(*args: Any, **kwargs: Any) -> Any:
        return create_tcp_connection(socket, *args, **kwargs)

    return connect


def open_descriptors() -> set[str]:
    """Return what the descriptors of this process refer to."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
    return found


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    """Look-up threads may end late: what is open is compared when they have."""
    before = open_descriptors()
    threads = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(30)
    left = {entry for entry in open_descriptors() - before if "socket:" in entry}
    assert left == set()


class Server:
    """Accepts connections, and does what it is told with each of them."""

    def __init__(
        self, serve: Callable[[socket.socket], object], family: int = socket.AF_INET
    ) -> None:
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self._listener = socket.create_server((host, 0), family=family)
        self.address = self._listener.getsockname()
        self.port = self.address[1]
        self._serve = serve
        self.accepted = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            with sock:
                if self._closing:
                    return
                self.accepted += 1
                with contextlib.suppress(OSError):
                    self._serve(sock)

    _closing = False

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing = True
        with socket.socket(self._listener.family) as sock:
            sock.settimeout(30)
            sock.connect(self.address)
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._listener.close()


def echo(sock: socket.socket) -> None:
    sock.sendall(sock.recv(100))
    sock.recv(1)


def silent(sock: socket.socket) -> None:
    """Read, and never answer, until the client goes."""
    while sock.recv(1000):
        pass


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@pytest.fixture
def blackhole() -> Iterator[tuple[str, int]]:
    """An address that does not answer: a listener whose backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        with socket.socket() as probe:
            probe.settimeout(0.2)
            with pytest.raises(TimeoutError):
                probe.connect(listener.getsockname())
        yield listener.getsockname()


def resolving_to(
    monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int], delay: float = 0
) -> None:
    """Have every name look up to these addresses."""

    def getaddrinfo(host: object, port: object, *args: object, **kwargs: object) -> Any:
        time.sleep(delay)
        return [
            (
                socket.AF_INET6 if ":" in address[0] else socket.AF_INET,
                socket.SOCK_STREAM,
                socket.IPPROTO_TCP,
                "",
                address,
            )
            for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


# Plain TCP.


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


def test_a_name(connect: Connect) -> None:
    with Server(echo) as server, connect(("localhost", server.port), timeout=10) as sock:
        assert sock.getpeername()[1] == server.port


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


@pytest.mark.parametrize("host", ["a" * 100, "x..y", "\0", "no such name", 3.5])
def test_a_host_that_there_is_not(connect: Connect, host: Any) -> None:
    with pytest.raises((OSError, ValueError, TypeError)):
        connect((host, 2181), 20)


def test_unknown_options(connect: Connect) -> None:
    with pytest.raises(TypeError):
        connect(("127.0.0.1", 1), use_tls=True)


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


def test_one_deadline_for_all_addresses(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, blackhole: tuple[str, int]
) -> None:
    resolving_to(monkeypatch, *[blackhole] * 5)
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match=r"zoo\.example:1 took longer than 0\.5 seconds"):
        connect(("zoo.example", 1), timeout=0.5)
    assert 0.5 <= time.monotonic() - begun < 0.5 * 4


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
    """A name may have an address of a family that the kernel makes no socket for."""
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


def test_a_name_without_an_address(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch)
    with pytest.raises(OSError, match="no address"):
        connect(("zoo.example", 1), timeout=10)


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


# One deadline.


def test_a_slow_look_up(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, ("127.0.0.1", 1), delay=2)
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match=r"took longer than 0\.1 seconds"):
        connect(("zoo.example", 1), timeout=0.1)
    assert 0.1 <= time.monotonic() - begun < 2


def test_a_look_up_that_fails(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*args: object, **kwargs: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for timeout in (None, 10):
        with pytest.raises(socket.gaierror, match="not known"):
            connect(("zoo.example", 1), timeout=timeout)


def test_a_connect_that_is_never_answered(connect: Connect, blackhole: tuple[str, int]) -> None:
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        connect(blackhole, timeout=0.2)
    assert time.monotonic() - begun >= 0.2


def test_a_handshake_that_is_never_answered(connect: Connect) -> None:
    with Server(silent) as server:
        begun = time.monotonic()
        with pytest.raises(TimeoutError, match=r"took longer than 0\.3 seconds"):
            connect(("127.0.0.1", server.port), timeout=0.3, use_ssl=True)
        assert time.monotonic() - begun >= 0.3


def test_look_up_connect_and_handshake_share_the_time(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(silent) as server:
        resolving_to(monkeypatch, server.address, delay=1.8)
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            connect(("zoo.example", 1), timeout=2, use_ssl=True)
        # Each with two seconds of its own would take 3.8.
        assert 2 <= time.monotonic() - begun < 3.8


def test_a_trickle_does_not_prolong_the_handshake(connect: Connect) -> None:
    def trickle(sock: socket.socket) -> None:
        sock.recv(1000)
        for byte in b"\x16\x03\x03\x7f\xff" + b"x" * 1000:
            sock.send(bytes([byte]))
            time.sleep(0.05)

    with Server(trickle) as server:
        begun = time.monotonic()
        with pytest.raises((TimeoutError, ssl.SSLError)):
            connect(("127.0.0.1", server.port), timeout=0.4, use_ssl=True)
        assert time.monotonic() - begun < 3


# TLS.


class Certificates:
    def __init__(self, folder: Path) -> None:
        self.ours = Authority(folder, "ours")
        self.theirs = Authority(folder, "theirs")
        self.folder = folder
        self.right = self.ours.issue("localhost")
        self.by_address = self.ours.issue("127.0.0.1")
        self.expired = self.ours.issue("localhost", expired=True)
        self.client = self.ours.issue("a-client")
        self.locked = self.ours.issue("a-client", password=b"secret")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def tls_server(certificate: tuple[str, str], ca: str | None = None) -> Server:
    """Return an echo server; with ``ca`` it demands a certificate of its clients."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ca)

    def serve(sock: socket.socket) -> None:
        sock.settimeout(20)
        with context.wrap_socket(sock, server_side=True) as secure:
            echo(secure)

    return Server(serve)


def echoes(sock: ssl.SSLSocket) -> bool:
    sock.settimeout(20)
    sock.sendall(b"hello")
    return sock.recv(100) == b"hello"


def test_the_right_certificate(connect: Connect, certificates: Certificates) -> None:
    with (
        tls_server(certificates.right) as server,
        connect(
            ("localhost", server.port), 20, use_ssl=True, ca=certificates.ours.certificate
        ) as sock,
    ):
        assert sock.gettimeout() == 20
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not sock.get_inheritable()
        assert sock.pending() == 0
        assert echoes(sock)
        sock.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            sock.recv(1)


def test_another_hostname_than_that_of_the_address(
    connect: Connect, certificates: Certificates
) -> None:
    with tls_server(certificates.right) as server:
        address = ("127.0.0.1", server.port)
        ca = certificates.ours.certificate
        with connect(address, 20, use_ssl=True, ca=ca, hostname="localhost") as sock:
            assert echoes(sock)
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(address, 20, use_ssl=True, ca=ca)
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(address, 20, use_ssl=True, ca=ca, hostname="other.example")


def test_an_address_in_the_certificate(connect: Connect, certificates: Certificates) -> None:
    with tls_server(certificates.by_address) as server:
        ca = certificates.ours.certificate
        with connect(("127.0.0.1", server.port), 20, use_ssl=True, ca=ca) as sock:
            assert echoes(sock)
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(("localhost", server.port), 20, use_ssl=True, ca=ca)


def test_an_expired_certificate(connect: Connect, certificates: Certificates) -> None:
    ca = certificates.ours.certificate
    with (
        tls_server(certificates.expired) as server,
        pytest.raises(ssl.SSLCertVerificationError, match="expired"),
    ):
        connect(("localhost", server.port), 20, use_ssl=True, ca=ca)


@pytest.mark.parametrize("ca", ["theirs", None])
def test_an_unknown_authority(connect: Connect, certificates: Certificates, ca: str | None) -> None:
    with tls_server(certificates.right) as server, pytest.raises(ssl.SSLCertVerificationError):
        connect(
            ("localhost", server.port),
            20,
            use_ssl=True,
            ca=certificates.theirs.certificate if ca else None,
        )


def test_a_bad_certificate_is_no_reason_to_try_another_address(
    connect: Connect, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tls_server(certificates.right) as server, tls_server(certificates.right) as other:
        resolving_to(monkeypatch, server.address, other.address)
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(("zoo.example", 1), 20, use_ssl=True, ca=certificates.ours.certificate)
        assert other.accepted == 0


def test_no_verification(connect: Connect, certificates: Certificates) -> None:
    for certificate in (certificates.expired, certificates.by_address):
        with (
            tls_server(certificate) as server,
            connect(("localhost", server.port), 20, use_ssl=True, verify_certs=False) as sock,
        ):
            assert echoes(sock)


def test_no_check_of_the_name(connect: Connect, certificates: Certificates) -> None:
    with tls_server(certificates.by_address) as server:
        address = ("localhost", server.port)
        ca = certificates.ours.certificate
        with connect(address, 20, use_ssl=True, ca=ca, check_hostname=False) as sock:
            assert echoes(sock)
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(
                address,
                20,
                use_ssl=True,
                ca=certificates.theirs.certificate,
                check_hostname=False,
            )


def test_a_client_certificate(connect: Connect, certificates: Certificates) -> None:
    ca = certificates.ours.certificate
    with tls_server(certificates.right, ca) as server:
        address = ("localhost", server.port)
        certfile, keyfile = certificates.client
        with connect(address, 20, use_ssl=True, ca=ca, certfile=certfile, keyfile=keyfile) as sock:
            assert echoes(sock)
        certfile, keyfile = certificates.locked
        with connect(
            address,
            20,
            use_ssl=True,
            ca=ca,
            certfile=certfile,
            keyfile=keyfile,
            keyfile_password="secret",
        ) as sock:
            assert echoes(sock)
        # With TLS 1.3 a client hears of the refusal when it reads.
        with connect(address, 20, use_ssl=True, ca=ca) as sock, pytest.raises(ssl.SSLError):
            sock.recv(1)


def test_a_folder_of_authorities(connect: Connect, certificates: Certificates) -> None:
    """An empty one knows nobody."""
    folder = certificates.folder / "none"
    folder.mkdir(exist_ok=True)
    with tls_server(certificates.right) as server, pytest.raises(ssl.SSLCertVerificationError):
        connect(("localhost", server.port), 20, use_ssl=True, ca=str(folder))


def test_options_and_ciphers(connect: Connect, certificates: Certificates) -> None:
    cipher = "ECDHE-ECDSA-AES256-GCM-SHA384"
    with (
        tls_server(certificates.right) as server,
        connect(
            ("localhost", server.port),
            20,
            use_ssl=True,
            ca=certificates.ours.certificate,
            options=ssl.OP_NO_TICKET,
            ciphers=cipher,
        ) as sock,
    ):
        assert sock.context.options & ssl.OP_NO_TICKET
        # Those of TLS 1.3 are always there.
        names = [each["name"] for each in sock.context.get_ciphers()]
        assert [name for name in names if not name.startswith("TLS_")] == [cipher]
        assert echoes(sock)


def test_a_server_without_tls(connect: Connect) -> None:
    def plain(sock: socket.socket) -> None:
        sock.recv(10)
        sock.sendall(b"this is no TLS at all, and it is long enough to be sure\n")
        sock.recv(1000)

    with Server(plain) as server, pytest.raises(ssl.SSLError):
        connect(("127.0.0.1", server.port), 20, use_ssl=True)


def test_a_server_that_hangs_up(connect: Connect) -> None:
    with Server(lambda sock: sock.recv(10)) as server, pytest.raises((ssl.SSLError, OSError)):
        connect(("127.0.0.1", server.port), 20, use_ssl=True)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"verify_certs": False, "check_hostname": True}, ValueError),
        ({"keyfile": "key.pem"}, ValueError),
        ({"ca": "/no/such/file"}, OSError),
        ({"certfile": "/no/such/file"}, OSError),
        ({"ciphers": "no such cipher"}, ssl.SSLError),
        ({"ca": __file__}, ssl.SSLError),
        ({"certfile": __file__}, ssl.SSLError),
    ],
)
def test_what_the_caller_got_wrong_is_said_before_anything_is_opened(
    connect: Connect, options: dict[str, Any], error: type[Exception]
) -> None:
    with Server(silent) as server:
        with pytest.raises(error):
            connect(("127.0.0.1", server.port), 20, use_ssl=True, **options)
        assert server.accepted == 0


@pytest.mark.parametrize(("password", "error"), [(None, ValueError), ("wrong", ssl.SSLError)])
def test_a_locked_key_never_asks_at_the_terminal(
    connect: Connect,
    certificates: Certificates,
    password: str | None,
    error: type[Exception],
) -> None:
    certfile, keyfile = certificates.locked
    with pytest.raises(error):
        connect(
            ("localhost", 1),
            20,
            use_ssl=True,
            certfile=certfile,
            keyfile=keyfile,
            keyfile_password=password,
        )


def test_an_interrupted_handshake_leaves_nothing_open(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A green task may be killed there by what is no Exception."""
    sockets = []

    class Kill(BaseException):
        pass

    def killed(self: ssl.SSLSocket, block: bool = False) -> None:
        sockets.append(self)
        raise Kill

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", killed)
    with Server(silent) as server, pytest.raises(Kill):
        connect(("127.0.0.1", server.port), 20, use_ssl=True)
    assert [sock.fileno() for sock in sockets] == [-1]


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


@pytest.mark.parametrize("address", ["localhost:2181", b"localhost"])
def test_an_address_that_is_no_pair(address: object) -> None:
    with pytest.raises(TypeError, match=r"write \(host, port\)"):
        create_tcp_connection(socket, address)  # type: ignore[arg-type]
