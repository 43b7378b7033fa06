from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority

from handler_core import get_handler

from .servers import Connect, Server, echo, resolving_to, silent

pytestmark = pytest.mark.usefixtures("_nothing_left_open")


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
    """Return an echo server. With ``ca`` it asks its clients for a certificate."""
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


def test_authorities_of_the_system_are_read_only_to_check_with_them(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That takes 50 ms, and a client may make a context for each connection."""
    read: list[ssl.SSLContext] = []
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda self: read.append(self))
    handler = get_handler("threading")
    checking = handler.ssl_context()
    assert read == [checking]
    handler.ssl_context(verify_certs=False)
    handler.ssl_context(ca=certificates.ours.certificate)
    assert read == [checking]


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
        # With TLS 1.3 the refusal reaches the client when it reads.
        with connect(address, 20, use_ssl=True, ca=ca) as sock, pytest.raises(ssl.SSLError):
            sock.recv(1)


def test_a_folder_of_authorities(connect: Connect, certificates: Certificates) -> None:
    """With an empty folder, no authority is known."""
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
        # The ciphers of TLS 1.3 are always in the list.
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
    """A green task may be killed there, by an exception that is no ``Exception``."""
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


def test_a_context_and_the_options_that_it_has(
    connect: Connect, certificates: Certificates
) -> None:
    context = ssl.create_default_context(cafile=certificates.ours.certificate)
    with tls_server(certificates.right) as server:
        address = ("localhost", server.port)
        for options in ({}, {"use_ssl": True}, {"ca": None, "verify_certs": True}):
            with connect(address, 20, ssl_context=context, **options) as sock:
                assert sock.context is context
                assert echoes(sock)
    for wrong in ({"ca": "x"}, {"verify_certs": False}, {"ciphers": "x"}, {"options": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            connect(("localhost", 1), 20, ssl_context=context, **wrong)


@pytest.mark.parametrize("context", [True, "context", object(), ssl])
def test_what_is_no_context(connect: Connect, context: Any) -> None:
    with pytest.raises(TypeError, match="ssl_context"):
        connect(("localhost", 1), 20, ssl_context=context)


def test_a_context_of_its_own_kind_is_not_passed_over() -> None:
    """It may check certificates in its ``wrap_socket``, so a model that cannot call it refuses."""

    class Strict(ssl.SSLContext):
        def wrap_socket(self, *args: Any, **kwargs: Any) -> Any:
            raise ssl.SSLError("not trusted")

    context = Strict(ssl.PROTOCOL_TLS_CLIENT)
    with Server(silent) as server, pytest.raises(ssl.SSLError, match="not trusted"):
        get_handler("threading").create_connection(server.address, 20, ssl_context=context)
    with pytest.raises(TypeError, match=r"handler\.ssl_context"):
        get_handler("asyncio").create_connection(("127.0.0.1", 1), 20, ssl_context=context)


def test_a_context_of_the_threading_model_works_on_another(certificates: Certificates) -> None:
    ca = certificates.ours.certificate
    context = get_handler("threading").ssl_context(ca=ca)
    with (
        tls_server(certificates.right) as server,
        get_handler("gevent").create_connection(
            ("localhost", server.port), 20, ssl_context=context
        ) as sock,
    ):
        assert echoes(sock)
        with pytest.raises(NotImplementedError):
            sock.dup()
