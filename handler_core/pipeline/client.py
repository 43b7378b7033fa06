"""A pipelined client in one page, on any concurrency model.

It shows what a client needs of a handler, and nothing here knows which model it is:

- ``create_connection`` and ``create_socket_pair`` make sockets of the model.
- ``spawn`` runs the client's loop, the one task that touches the connection.
- The loop waits in ``select`` for the server and for the wake-up pair: whoever has a request for
  the loop writes a byte into the pair.
- ``async_result`` is what a request returns at once; the loop sets its outcome later.
- ``dispatch_callback`` runs the user's functions. The loop never does: a slow one would hold up
  all replies.

**There is no lock.** A request is put into a deque, whose operations are atomic, and only then
does the caller look at the two flags of the loop: does it sleep, has it ended? The loop raises
each flag first and then looks into the deque once more. So one of the two always sees the other:
no request is left lying, from whatever thread it comes.

**Every result ends.** However the loop ends (:meth:`PipelinedClient.close`, a lost connection, a
silent server, a kill), what is pending gets an exception.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Self

from handler_core.execution._callback import Callback
from handler_core.execution._result import AsyncResult
from handler_core.handler._handler import Handler
from handler_core.pipeline.framing import NOTICE, FrameReader, ProtocolError, check_payload, pack

__all__ = ["PipelinedClient"]

_CHUNK = 65_536


class PipelinedClient:
    """A connection on which many requests may be on their way at once.

    All methods are safe from any thread and task. The handler is the caller's, to start and to
    stop, and may serve many clients.

    Args:
        handler: the concurrency model.
        address: host and port of the server.
        timeout: seconds that connecting may take, and that the server may be silent
            while requests are pending.
        on_notice: called with each payload that the server sends unasked, as a dispatched
            callback of the handler.

    Raises:
        OSError: there is no connection (``TimeoutError`` where it took too long).
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

        # What callers and the loop share; see above.
        self._requests: deque[tuple[bytes, AsyncResult[bytes]]] = deque()
        self._asleep = False
        self._closing = False
        self._failure: Exception | None = None

        # What is the loop's alone.
        self._pending: dict[int, AsyncResult[bytes]] = {}
        self._last_id = NOTICE
        self._unsent = bytearray()
        self._frames = FrameReader()
        self._heard = 0.0
        self._loop_task: Hashable = None
        self._loop = handler.spawn(self._run)

    def request(self, payload: bytes) -> AsyncResult[bytes]:
        """Send ``payload``, and return the result that the reply will be the value of.

        Where the connection has ended, the result has the reason as its exception.

        Raises:
            TypeError: ``payload`` is not ``bytes``.
            ValueError: it is too long.
        """
        check_payload(payload)
        result = self._handler.async_result()
        self._requests.append((payload, result))
        if self._asleep:
            self._wake()
        if self._failure is not None:
            self._fail_requests(self._failure)
        return result

    def close(self) -> None:
        """End the connection, and return when the loop has ended.

        What is pending ends with a ``ConnectionAbortedError``. A second call does no harm.
        """
        self._closing = True
        self._wake()
        # A link of a result is called by the setter, here the loop, when the handler is stopped;
        # and it may well close the client. The loop cannot wait for itself.
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
        for _ in range(len(self._requests)):  # not for ever, however fast they come
            payload, result = self._requests.popleft()
            if not self._pending:
                self._heard = time.monotonic()  # from now on the server is expected to speak
            self._last_id += 1
            self._pending[self._last_id] = result
            self._unsent += pack(self._last_id, payload)

    def _send(self) -> None:
        """Send what the connection takes now: a wait would hold up the replies."""
        if self._unsent:
            with contextlib.suppress(BlockingIOError):
                del self._unsent[: self._sock.send(self._unsent)]

    def _wait(self) -> None:
        """Wait until there is something to do, and receive what there is."""
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
            raise TimeoutError(f"the server was silent for {self._timeout} seconds")

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
            raise ProtocolError(f"a reply to request {frame_id}, of which none is pending")
        result.set(payload)

    def _end(self, failure: Exception) -> None:
        self._failure = failure  # first of all: from here on nobody relies on the loop
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
