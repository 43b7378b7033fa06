"""A pipelined client on any concurrency model, in one page.

It shows what a client needs of a handler. Nothing in it depends on a particular model:

- ``create_connection`` and ``create_socket_pair`` make sockets of the model.
- ``spawn`` runs the loop of the client, the one task that touches the connection.
- The loop waits in ``select`` for the server and for the socket pair. A caller that has a request
  writes a byte into the pair and so wakes the loop.
- ``callback_object`` makes the result that a request returns at once. The loop sets it later.
- ``dispatch_callback`` runs the user's functions. The loop does not run them, because a slow
  function would delay all replies.

**The client has no lock.** A caller first appends its request to a deque, whose operations are
atomic, and then reads two flags of the loop: whether it sleeps, and whether it has ended. The loop
first sets each flag and then looks into the deque once more. So either the caller sees the flag or
the loop sees the request, and no request is lost, from whatever thread it comes.

**Every result gets an outcome.** When the loop ends, every pending result gets an exception, for
whatever reason it ends: :meth:`PipelinedClient.close`, a lost connection, a silent server or a
kill.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Self

from handler_core import AsyncResult, Callback, Handler
from handler_core.cli.demo.sample_client.framing import (
    NOTICE,
    FrameReader,
    ProtocolError,
    check_payload,
    pack,
)

__all__ = ["PipelinedClient"]

# Bytes to receive at once.
_CHUNK = 65_536


class PipelinedClient:
    """A connection on which many requests may be in flight.

    All methods may be called from any thread and task. The caller starts and stops the handler,
    which may serve many clients.

    Args:
        handler: the concurrency model.
        address: the host and the port of the server.
        timeout: the seconds that connecting may take, and the seconds that the server may be
            silent while requests are pending.
        on_notice: called with the payload of each notice, which the server sends without a
            request. The call is a dispatched callback of the handler.

    Raises:
        OSError: the client could not connect. If that took too long, it is a ``TimeoutError`` and
            the handler's ``timeout_exception``.
    """

    def __init__(
        self,
        handler: Handler,
        address: tuple[str, int],
        *,
        timeout: float = 10.0,
        on_notice: Callable[[bytes], object] | None = None,
    ) -> None:
        self._handler = handler
        self._timeout = timeout
        self._on_notice = on_notice
        self._sock = handler.create_connection(address, timeout)
        self._sock.setblocking(False)
        self._woken, self._waker = handler.create_socket_pair()

        # Callers and the loop share these; see the docstring of the module.
        self._requests: deque[tuple[bytes, AsyncResult[bytes]]] = deque()
        self._asleep = False
        self._closing = False
        self._failure: Exception | None = None

        # Only the loop uses these.
        self._pending: dict[int, AsyncResult[bytes]] = {}
        self._last_id = NOTICE
        self._unsent = bytearray()
        self._frames = FrameReader()
        self._heard = 0.0
        self._loop_task: Hashable = None
        self._loop = handler.spawn(self._run)

    def request(self, payload: bytes) -> AsyncResult[bytes]:
        """Send ``payload``, and return the result that will receive the reply.

        If the connection has ended, the exception of the result is the reason.

        Raises:
            TypeError: ``payload`` is not ``bytes``.
            ValueError: ``payload`` is too long.
        """
        check_payload(payload)
        result = self._handler.callback_object()
        self._requests.append((payload, result))
        if self._asleep:
            self._wake()
        if self._failure is not None:
            self._fail_requests(self._failure)
        return result

    def close(self) -> None:
        """End the connection, and return when the loop has ended.

        Pending results get a ``ConnectionAbortedError``. A second call has no effect.
        """
        self._closing = True
        self._wake()
        # When the handler is stopped, the loop itself calls the links of the results that it sets.
        # A link may close the client, and the loop cannot wait for itself.
        if self._handler.current_task() != self._loop_task:
            self._loop.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # the loop has ended and closed the pair
            self._waker.send(b"\0")

    # The loop.

    def _run(self) -> None:
        self._loop_task = self._handler.current_task()
        failure: Exception = ConnectionAbortedError("the client was closed")
        try:
            while not self._closing:
                self._take_requests()
                self._send()
                self._wait()
        except OSError as error:
            failure = error
        finally:
            self._end(failure)

    def _take_requests(self) -> None:
        # Only those that are there now: callers may append faster than this loop takes.
        for _ in range(len(self._requests)):
            payload, result = self._requests.popleft()
            if not self._pending:
                self._heard = time.monotonic()  # the server must reply from now on
            self._last_id += 1
            self._pending[self._last_id] = result
            self._unsent += pack(self._last_id, payload)

    def _send(self) -> None:
        """Send as much as the connection takes now. To wait here would delay the replies."""
        if self._unsent:
            with contextlib.suppress(BlockingIOError):
                del self._unsent[: self._sock.send(self._unsent)]

    def _wait(self) -> None:
        """Wait for a request or for data of the server, and receive the data."""
        deadline = self._heard + self._timeout if self._pending else None
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
        self._asleep = True
        if self._requests or self._closing:
            timeout = 0.0
        writers = [self._sock] if self._unsent else []
        readable, _, _ = self._handler.select([self._sock, self._woken], writers, [], timeout)
        self._asleep = False
        if self._woken in readable:
            self._woken.recv(_CHUNK)
        if self._sock in readable:
            self._receive()
        elif deadline is not None and time.monotonic() >= deadline:
            raise self._handler.timeout_error(f"the server was silent for {self._timeout} seconds")

    def _receive(self) -> None:
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self._heard = time.monotonic()
        for frame_id, payload in self._frames.feed(data):
            if frame_id != NOTICE:
                self._reply(frame_id, payload)
            elif self._on_notice is not None:
                self._handler.dispatch_callback(Callback("notice", self._on_notice, (payload,)))

    def _reply(self, frame_id: int, payload: bytes) -> None:
        result = self._pending.pop(frame_id, None)
        if result is None:
            raise ProtocolError(f"a reply to request {frame_id}, which is not pending")
        result.set(payload)

    def _end(self, failure: Exception) -> None:
        self._failure = failure  # before all else: from here on callers do not rely on the loop
        for sock in (self._sock, self._woken, self._waker):
            sock.close()
        for result in self._pending.values():
            result.set_exception(failure)
        self._pending.clear()
        self._fail_requests(failure)

    def _fail_requests(self, failure: Exception) -> None:
        while True:
            try:
                _, result = self._requests.popleft()
            except IndexError:
                return
            result.set_exception(failure)
