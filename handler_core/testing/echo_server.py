"""A server to connect to, in a process of its own: ``python -m handler_core.testing.echo_server``.

It echoes what it receives. It speaks TLS if it has a certificate. With ``--authority``, it echoes
only to clients whose certificate that authority has signed. With ``--hold``, it accepts connections
but sends nothing, not even an answer to a TLS hello, until a client connects to its second port.
With ``--hold-echo`` it answers the hello, and holds the rest. With ``--greet``, it begins without
TLS: it sends a line, and receives one. With ``--whole``, it receives eight bytes, which say how
many follow, and echoes when all have come. With ``--trickle``, it answers with the beginning of a
TLS record, one byte at a time, without end. With ``--path``, it listens on a Unix socket.

The server must not wait for the client's tasks. In a patched process, no socket and no thread can
promise that. So the server runs in a process of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

__all__ = ["RunningServer", "running_server"]

# The header of a TLS record has five bytes: kind (handshake), version and length.
_TLS_RECORD_OF_16_KIB = b"\x16\x03\x03\x40\x00"


class RunningServer(NamedTuple):
    """The addresses of a server.

    Attributes:
        address: host and port of the service, or the path of its Unix socket.
        release: host and port. A connection to it releases a server that holds.
    """

    address: Any
    release: tuple[str, int]


@contextlib.contextmanager
def running_server(
    host: str = "127.0.0.1",
    *,
    certificate: str | None = None,
    authority: str | None = None,
    hold: bool = False,
    hold_echo: bool = False,
    greet: bool = False,
    whole: bool = False,
    path: str | None = None,
    trickle: bool = False,
) -> Iterator[RunningServer]:
    """Run an echo server in a process of its own while the ``with`` block runs.

    Args:
        host: the loopback address to listen on.
        certificate: a file with certificate and key. With it, the server speaks TLS.
        authority: a file with the certificate of the authority that must have signed the
            certificates of clients.
        hold: whether the server sends nothing until it is released.
        hold_echo: whether it echoes nothing until it is released.
        greet: whether it sends and receives a line without TLS first.
        whole: whether it receives eight bytes, a number, and echoes so many when they have come.
        path: where to listen on a Unix socket, and not on a port.
        trickle: whether the server answers with a TLS record that never ends.
    """
    command = [sys.executable, "-m", "handler_core.testing.echo_server", host]
    if certificate is not None:
        command += ["--certificate", certificate]
    if authority is not None:
        command += ["--authority", authority]
    if path is not None:
        command += ["--path", path]
    switches = {
        "--hold": hold,
        "--hold-echo": hold_echo,
        "--greet": greet,
        "--whole": whole,
        "--trickle": trickle,
    }
    command += [switch for switch, is_on in switches.items() if is_on]
    process = subprocess.Popen(  # noqa: S603  this module itself, as a program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        service, release = json.loads(process.stdout.readline())
        yield RunningServer(path or (host, service), (host, release))
    finally:
        process.stdin.close()  # the server ends when its standard input does
        process.stdout.close()
        process.wait(30)


class _Echo(NamedTuple):
    """What a thread of the server needs for a connection."""

    context: ssl.SSLContext | None
    options: argparse.Namespace
    go: threading.Event

    def answer(self, connection: socket.socket) -> None:
        """Serve one connection."""
        if self.options.hold:
            self.go.wait()
        # Some tests are about a client that refuses the certificate or disconnects.
        with contextlib.suppress(OSError), connection:
            if self.options.greet:
                connection.sendall(b"hello\n")
                while connection.recv(1) not in (b"\n", b""):
                    pass
            if self.context is not None:
                connection = self.context.wrap_socket(connection, server_side=True)
            with connection:
                while data := self._receive(connection):
                    if self.options.hold_echo:
                        self.go.wait()
                    connection.sendall(data)

    def _receive(self, connection: socket.socket) -> bytes:
        if not self.options.whole:
            return connection.recv(65536)
        with connection.makefile("rb") as file:
            return file.read(int.from_bytes(file.read(8)))


def _trickle(connection: socket.socket) -> None:
    with contextlib.suppress(OSError), connection:
        for byte in itertools.chain(_TLS_RECORD_OF_16_KIB, itertools.repeat(0)):
            connection.send(bytes([byte]))
            time.sleep(0.02)


def _serve(listener: socket.socket, answer: Callable[[socket.socket], None]) -> None:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def _release(listener: socket.socket, go: threading.Event) -> None:
    listener.accept()[0].close()
    go.set()


def main() -> None:
    """Listen, print the two ports as JSON, and serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("host")
    parser.add_argument("--certificate")
    parser.add_argument("--authority")
    parser.add_argument("--path")
    for switch in ("--hold", "--hold-echo", "--greet", "--whole", "--trickle"):
        parser.add_argument(switch, action="store_true")
    options = parser.parse_args()
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    if options.path is None:
        service = socket.create_server((options.host, 0), family=family, backlog=128)
    else:
        service = socket.socket(socket.AF_UNIX)
        service.bind(options.path)
        service.listen(128)
    release = socket.create_server((options.host, 0), family=family)
    context = None
    if options.certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(options.certificate)
        if options.authority is not None:
            context.load_verify_locations(options.authority)
            context.verify_mode = ssl.CERT_REQUIRED
    go = threading.Event()
    answer: Callable[[socket.socket], None] = _Echo(context, options, go).answer
    if options.trickle:
        answer = _trickle
    threading.Thread(target=_serve, args=(service, answer), daemon=True).start()
    threading.Thread(target=_release, args=(release, go), daemon=True).start()
    port = None if options.path else service.getsockname()[1]
    print(json.dumps([port, release.getsockname()[1]]), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
