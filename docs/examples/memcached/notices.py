"""A client of memcached on any concurrency model. Step 10, the last: it tells its state."""

from __future__ import annotations

import contextlib
import ssl
from collections import deque
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Any, Self

import protocol
from protocol import Answer, AnswerReader, MemcachedError, ProtocolError
from run import Address, run

from handler_core import AsyncResult, Callback, Handler

# Bytes to receive at once.
_CHUNK = 65_536

# Seconds between two attempts to connect: first, and at the most.
_SHORTEST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0


class Request:
    """A command, and the result of its caller. The first outcome is the only one."""

    def __init__(
        self, command: bytes, meaning: Callable[[Answer], Any], result: AsyncResult[Any]
    ) -> None:
        self.command = command
        self.result = result
        self.timer: Any = None
        self._meaning = meaning
        self._open = [True]

    @property
    def over(self) -> bool:
        return not self._open

    def answer(self, answer: Answer) -> None:
        """Give the result what the answer means.

        Raises:
            ProtocolError: it is no answer to this command.
        """
        try:
            value = self._meaning(answer)
        except MemcachedError as error:
            self.fail(error)
        except ProtocolError as error:
            self.fail(error)
            raise
        else:
            if self._is_first():
                self.result.set(value)

    def fail(self, error: Exception) -> None:
        if self._is_first():
            self.result.set_exception(error)

    def _is_first(self) -> bool:
        """Return True at the first call. Of two threads that call it at once, one gets True."""
        try:
            self._open.pop()
        except IndexError:
            return False
        if self.timer is not None:
            self.timer.cancel()
        return True


class Client:
    """A connection to memcached on which many requests may be in flight.

    All methods may be called from any thread and task. Requests return results. The caller starts
    and stops the handler, which may serve many clients.

    Args:
        handler: the concurrency model.
        address: the host and the port of the server.
        timeout: the seconds that connecting may take, and by default a request.
        ssl_context: for TLS, what ``handler.ssl_context`` has returned.
        on_state: called with ``"connected"``, ``"lost"`` and ``"closed"`` when this happens.
    """

    def __init__(
        self,
        handler: Handler,
        address: Address,
        *,
        timeout: float = 5.0,
        ssl_context: ssl.SSLContext | None = None,
        on_state: Callable[[str], object] | None = None,
    ) -> None:
        self._handler = handler
        self._address = address
        self._timeout = timeout
        self._ssl_context = ssl_context
        self._on_state = on_state

        # Callers and the loop share these.
        self._requests: deque[Request] = deque()
        self._asleep = False
        self._closing = False
        self._failure: Exception | None = None
        self._waker: Any = None
        self._loop: Any = None

        # Only the loop uses these.
        self._sock: Any = None
        self._woken: Any = None
        self._pending: deque[Request] = deque()
        self._unsent = bytearray()
        self._must_write = False
        self._reader = AnswerReader()
        self._heard = 0.0
        self._pause = _SHORTEST_PAUSE
        self._loop_task: Hashable = None

    def start(self) -> None:
        """Connect, and start the loop. A client is started once.

        Raises:
            OSError: there is no connection. It is a ``TimeoutError`` if that took too long.
        """
        self._connect()
        self._woken, self._waker = self._handler.create_socket_pair()
        self._loop = self._handler.spawn(self._run)

    def close(self) -> None:
        """End the connection, and return when the loop has ended.

        Requests without an answer fail with a ``ConnectionAbortedError``. A second call has no
        effect.
        """
        self._closing = True
        if self._loop is None:
            self._end(ConnectionAbortedError("the client was closed"))
            return
        self._wake()
        # A link may run in the loop: when the handler is stopped. The loop cannot join itself.
        if self._handler.current_task() != self._loop_task:
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

    def get(self, key: str, *, timeout: float | None = None) -> AsyncResult[bytes | None]:
        """Get a value. It is None if there is none of that key."""
        return self.request(protocol.get_command(key), protocol.value_in, timeout)

    def set(
        self, key: str, value: bytes, *, expire: int = 0, timeout: float | None = None
    ) -> AsyncResult[bool]:
        """Store a value, for ``expire`` seconds if it is not 0."""
        command = protocol.set_command(key, value, expire)
        return self.request(command, protocol.was_stored, timeout)

    def delete(self, key: str, *, timeout: float | None = None) -> AsyncResult[bool]:
        """Delete a value. It is False if there was none."""
        return self.request(protocol.delete_command(key), protocol.was_deleted, timeout)

    def incr(self, key: str, by: int, *, timeout: float | None = None) -> AsyncResult[int | None]:
        """Add to a number that is stored as text. The result is the sum."""
        return self.request(protocol.incr_command(key, by), protocol.number_in, timeout)

    def request(
        self, command: bytes, meaning: Callable[[Answer], Any], timeout: float | None = None
    ) -> AsyncResult[Any]:
        """Send a command, and return the result that gets what its answer means.

        ``timeout`` is in seconds. None stands for that of the client.
        """
        request = Request(command, meaning, self._handler.callback_object())
        seconds = self._timeout if timeout is None else timeout
        request.timer = self._handler.call_later(seconds, self._expire, request, seconds)
        self._requests.append(request)
        if self._asleep:
            self._wake()
        if self._failure is not None:
            self._fail(self._requests, self._failure)
        return request.result

    def _expire(self, request: Request, seconds: float) -> None:
        request.fail(self._handler.timeout_error(f"no answer within {seconds:g} seconds"))

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # the loop has ended and closed the pair
            self._waker.send(b"\0")

    # The loop.

    def _run(self) -> None:
        self._loop_task = self._handler.current_task()
        try:
            while not self._closing:
                try:
                    if self._sock is None:
                        self._connect()
                    self._serve()
                except OSError as error:
                    self._lose(error)
        finally:
            self._end(ConnectionAbortedError("the client was closed"))

    def _connect(self) -> None:
        sock = self._handler.create_connection(
            self._address, self._timeout, ssl_context=self._ssl_context
        )
        sock.setblocking(False)
        self._sock = sock
        self._reader = AnswerReader()
        self._tell("connected")

    def _serve(self) -> None:
        while not self._closing:
            self._take_requests()
            self._send()
            self._wait()

    def _take_requests(self) -> None:
        # Only those that are there now: callers may append faster than this loop takes.
        for _ in range(len(self._requests)):
            request = self._requests.popleft()
            if request.over:
                continue
            if not self._pending:
                self._heard = self._handler.clock()  # the server must answer from now on
            self._pending.append(request)
            self._unsent += request.command

    def _send(self) -> None:
        """Send as much as the connection takes now. To wait here would delay the answers."""
        if not self._unsent:
            return
        try:
            del self._unsent[: self._sock.send(self._unsent)]
        except ssl.SSLWantReadError:
            return  # TLS must receive before it can send
        except (BlockingIOError, ssl.SSLWantWriteError):
            pass
        self._must_write = bool(self._unsent)

    def _wait(self) -> None:
        """Wait for a request or for data of the server, and receive the data."""
        deadline = self._heard + self._timeout if self._pending else None
        timeout = None if deadline is None else max(0.0, deadline - self._handler.clock())
        writers = [self._sock] if self._must_write else []
        self._must_write = False
        self._asleep = True
        if self._requests or self._closing:
            timeout = 0.0
        readable, writable, _ = self._handler.select(
            [self._sock, self._woken], writers, [], timeout
        )
        self._asleep = False
        if self._woken in readable:
            self._woken.recv(_CHUNK)
        if self._sock in readable or writable:
            self._receive()
        elif deadline is not None and self._handler.clock() >= deadline:
            raise self._handler.timeout_error(f"silent for {self._timeout:g} seconds")

    def _receive(self) -> None:
        while True:
            try:
                data = self._sock.recv(_CHUNK)
            except ssl.SSLWantWriteError:
                self._must_write = True  # TLS must send before it can receive
                return
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            if not data:
                raise ConnectionResetError("the server closed the connection")
            self._heard = self._handler.clock()
            self._pause = _SHORTEST_PAUSE
            for answer in self._reader.feed(data):
                if not self._pending:
                    raise ProtocolError(f"nobody has asked for {answer}")
                self._pending.popleft().answer(answer)
            if self._ssl_context is None or not self._sock.pending():
                return

    def _lose(self, error: OSError) -> None:
        """Fail what is in flight. What was not taken yet waits for the next connection."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
            self._unsent.clear()
            self._must_write = False
            self._fail(self._pending, error)
            self._tell("lost")
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        until = self._handler.clock() + pause
        while not self._closing and (left := until - self._handler.clock()) > 0:
            if self._handler.select([self._woken], [], [], left)[0]:
                self._woken.recv(_CHUNK)
        # Their callers have given up. While there is no server, they would fill the memory.
        while self._requests and self._requests[0].over:
            self._requests.popleft()

    def _end(self, failure: Exception) -> None:
        self._failure = failure  # before all else: from here on callers do not rely on the loop
        for sock in (self._sock, self._woken, self._waker):
            if sock is not None:
                sock.close()
        self._fail(self._pending, failure)
        self._fail(self._requests, failure)
        self._tell("closed")

    def _fail(self, requests: deque[Request], error: Exception) -> None:
        while True:
            try:
                request = requests.popleft()
            except IndexError:
                return
            request.fail(error)

    def _tell(self, state: str) -> None:
        if self._on_state is not None:
            self._handler.dispatch_callback(Callback("state", self._on_state, (state,)))


def main(handler: Handler, address: Address) -> None:
    states = handler.queue_impl()
    with Client(handler, address, on_state=states.put) as client:
        print(states.get(), client.set("greeting", b"hello").get())
        try:
            client.request(b"quit\r\n", protocol.value_in).get()
        except ConnectionError as error:
            print(states.get(), error)
        print(states.get(), client.get("greeting").get())
    print(states.get())


if __name__ == "__main__":
    run(main)
