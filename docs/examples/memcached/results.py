"""A client of memcached on any concurrency model. Step 5: results and links."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import protocol
from protocol import Answer, AnswerReader, MemcachedError, ProtocolError
from run import Address, run

from handler_core import AsyncResult, Handler

# Bytes to receive at once.
_CHUNK = 65_536


class Request:
    """A command, and the result of its caller."""

    def __init__(
        self, command: bytes, meaning: Callable[[Answer], Any], result: AsyncResult[Any]
    ) -> None:
        self.command = command
        self.result = result
        self._meaning = meaning

    def answer(self, answer: Answer) -> None:
        """Give the result what the answer means.

        Raises:
            ProtocolError: it is no answer to this command.
        """
        try:
            self.result.set(self._meaning(answer))
        except MemcachedError as error:
            self.result.set_exception(error)
        except ProtocolError as error:
            self.result.set_exception(error)
            raise


class Client:
    """A connection to memcached on which many requests may be in flight.

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
        self._unsent = bytearray()
        self._reader = AnswerReader()

    def start(self) -> None:
        """Connect, and start the loop. A client is started once.

        Raises:
            OSError: there is no connection. It is a ``TimeoutError`` if that took too long.
        """
        self._sock = self._handler.create_connection(self._address, self._timeout)
        self._sock.setblocking(False)
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

    def get(self, key: str) -> AsyncResult[bytes | None]:
        """Get a value. It is None if there is none of that key."""
        return self.request(protocol.get_command(key), protocol.value_in)

    def set(self, key: str, value: bytes, *, expire: int = 0) -> AsyncResult[bool]:
        """Store a value, for ``expire`` seconds if it is not 0."""
        return self.request(protocol.set_command(key, value, expire), protocol.was_stored)

    def delete(self, key: str) -> AsyncResult[bool]:
        """Delete a value. It is False if there was none."""
        return self.request(protocol.delete_command(key), protocol.was_deleted)

    def incr(self, key: str, by: int) -> AsyncResult[int | None]:
        """Add to a number that is stored as text. The result is the sum."""
        return self.request(protocol.incr_command(key, by), protocol.number_in)

    def request(self, command: bytes, meaning: Callable[[Answer], Any]) -> AsyncResult[Any]:
        """Send a command, and return the result that gets what its answer means."""
        request = Request(command, meaning, self._handler.callback_object())
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
            request = self._requests.popleft()
            self._pending.append(request)
            self._unsent += request.command

    def _send(self) -> None:
        """Send as much as the connection takes now. To wait here would delay the answers."""
        if self._unsent:
            with contextlib.suppress(BlockingIOError):
                del self._unsent[: self._sock.send(self._unsent)]

    def _wait(self) -> None:
        """Wait for a request or for data of the server, and receive the data."""
        self._asleep = True
        timeout = 0.0 if self._requests or self._closing else None
        writers = [self._sock] if self._unsent else []
        readable, _, _ = self._handler.select([self._sock, self._woken], writers, [], timeout)
        self._asleep = False
        if self._woken in readable:
            self._woken.recv(_CHUNK)
        if self._sock in readable:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionResetError("the server closed the connection")
        for answer in self._reader.feed(data):
            if not self._pending:
                raise ProtocolError(f"nobody has asked for {answer}")
            self._pending.popleft().answer(answer)

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
        print(client.set("greeting", b"hello").get())
        print(client.get("greeting").get(), client.get("nothing").get())
        client.set("count", b"1")
        sums = handler.queue_impl()
        client.incr("count", 4).link(sums.put)
        print(sums.get().value)
        try:
            client.incr("greeting", 4).get()
        except MemcachedError as error:
            print(error)
        try:
            client.get("two words")
        except ValueError as error:
            print(error)


if __name__ == "__main__":
    run(main)
