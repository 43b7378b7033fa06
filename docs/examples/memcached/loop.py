"""A client of memcached on any concurrency model. Step 3: a loop in a task of its own."""

from __future__ import annotations

import contextlib
from collections import deque
from types import TracebackType
from typing import Any, NamedTuple, Self

import protocol
from protocol import Answer
from request import ask
from run import Address, run

from handler_core import AsyncResult, Handler

# Bytes to receive at once.
_CHUNK = 65_536


class Request(NamedTuple):
    command: bytes
    result: AsyncResult[Answer]


class Client:
    """A connection to memcached. Its loop sends one request after the other.

    All methods may be called from any thread and task. Requests return results. The caller starts
    and stops the handler, which may serve many clients.

    Args:
        handler: the concurrency model.
        address: the host and the port of the server.
        timeout: the seconds that connecting may take.
    """

    def __init__(
        self,
        handler: Handler,
        address: Address,
        *,
        timeout: float = 5.0,
    ) -> None:
        self._handler = handler
        self._address = address
        self._timeout = timeout

        # Callers and the loop share these.
        self._requests: deque[Request] = deque()
        self._asleep = False
        self._closing = False
        self._waker: Any = None
        self._loop: Any = None

        # Only the loop uses these.
        self._sock: Any = None
        self._woken: Any = None
        self._pending: deque[Request] = deque()

    def start(self) -> None:
        """Connect, and start the loop. A client is started once.

        Raises:
            OSError: there is no connection. It is a ``TimeoutError`` if that took too long.
        """
        self._sock = self._handler.create_connection(self._address, self._timeout)
        self._woken, self._waker = self._handler.create_socket_pair()
        self._loop = self._handler.spawn(self._run)

    def close(self) -> None:
        self._closing = True
        self._wake()
        self._loop.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def request(self, command: bytes) -> AsyncResult[Answer]:
        """Send a command, and return the result that gets its answer."""
        request = Request(command, self._handler.callback_object())
        self._requests.append(request)
        if self._asleep:
            self._wake()
        return request.result

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # the loop has ended and closed the pair
            self._waker.send(b"\0")

    # The loop.

    def _run(self) -> None:
        failure: Exception = ConnectionAbortedError("the client was closed")
        try:
            while not self._closing:
                self._wait()
                self._handle_requests()
        except OSError as error:
            failure = error
        finally:
            self._end(failure)

    def _wait(self) -> None:
        """Sleep until there is a request."""
        self._asleep = True
        timeout = 0.0 if self._requests or self._closing else None
        readable, _, _ = self._handler.select([self._woken], [], [], timeout)
        self._asleep = False
        if readable:
            self._woken.recv(_CHUNK)

    def _handle_requests(self) -> None:
        while self._requests and not self._closing:
            request = self._requests.popleft()
            self._pending.append(request)
            answer = ask(self._sock, request.command)
            self._pending.popleft()
            request.result.set(answer)

    def _end(self, failure: Exception) -> None:
        for sock in (self._sock, self._woken, self._waker):
            sock.close()
        self._fail(self._pending, failure)
        self._fail(self._requests, failure)

    def _fail(self, requests: deque[Request], error: Exception) -> None:
        while True:
            try:
                request = requests.popleft()
            except IndexError:
                return
            request.result.set_exception(error)


def main(handler: Handler, address: Address) -> None:
    with Client(handler, address) as client:
        stored = client.request(protocol.set_command("greeting", b"hello"))
        found = client.request(protocol.get_command("greeting"))
        print(stored.get())
        print(found.get())


if __name__ == "__main__":
    run(main)
