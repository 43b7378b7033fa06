"""A small server for the client. It listens on loopback and runs in threads of this process."""

from __future__ import annotations

import socketserver
import threading
from types import TracebackType
from typing import Self

from handler_core.cli.demo.sample_client.framing import NOTICE, FrameReader, ProtocolError, pack

__all__ = ["NOTIFY", "EchoServer"]

#: A payload that begins with this is first sent as a notice, and then as the reply.
NOTIFY = b"notify "

# The server checks this often, in seconds, whether it shall end.
_POLL_INTERVAL = 0.05


class _Connection(socketserver.BaseRequestHandler):
    """Replies to each request of one client with the payload of the request."""

    def handle(self) -> None:
        frames = FrameReader()
        try:
            while data := self.request.recv(65_536):
                replies = bytearray()
                for request_id, payload in frames.feed(data):
                    if payload.startswith(NOTIFY):
                        replies += pack(NOTICE, payload)
                    replies += pack(request_id, payload)
                self.request.sendall(replies)
        except (ProtocolError, ConnectionError):
            # The client is gone, or it uses another protocol. `socketserver` closes the connection.
            return


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


class EchoServer:
    """A server that listens on a free port of the loopback interface inside ``with``.

    Attributes:
        address: the host and the port.

    Raises:
        OSError: the server cannot listen.
    """

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Connection)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_INTERVAL,), daemon=True
        )
        self.address: tuple[str, int] = ("127.0.0.1", self._server.socket.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
