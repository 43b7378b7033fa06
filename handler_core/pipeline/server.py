"""A small server for the client, on loopback, in threads of this process."""

from __future__ import annotations

import socketserver
import threading
from types import TracebackType
from typing import Self

from handler_core.pipeline.framing import NOTICE, FrameReader, ProtocolError, pack

__all__ = ["NOTIFY", "EchoServer"]

#: A payload that begins so is also sent as a notice, before it is sent as the reply.
NOTIFY = b"notify "


class _Connection(socketserver.BaseRequestHandler):
    """Answers the requests of one client, each with its own payload."""

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
            return  # the client is gone, or is none; `socketserver` closes the connection


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


class EchoServer:
    """Listens on a free port of the loopback interface inside ``with``.

    Attributes:
        address: host and port.

    Raises:
        OSError: it cannot listen.
    """

    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Connection)
        # It looks so often (in seconds) whether it is to end.
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
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
