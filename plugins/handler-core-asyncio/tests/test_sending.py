"""Connections send in one piece what is sent within one turn of the loop."""

from __future__ import annotations

import asyncio
import os
import posix
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from asyncio_process import LOOP
from handler_core_asyncio import SequentialAsyncioHandler
from handler_core_greenlet import LoopConnection
from handler_core_greenlet import select as greenlet_select

from handler_core import get_handler
from handler_core.testing import LIMIT

pytestmark = pytest.mark.skipif(LOOP is not None, reason="this process is in a loop already")


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[SequentialAsyncioHandler, LoopConnection, Any]]:
    """Yield a handler, one of its connections, and a plain socket at the other end."""
    handler = get_handler("asyncio")
    assert isinstance(handler, SequentialAsyncioHandler)
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = await handler.call(handler.create_connection, server.getsockname())
        other, _ = server.accept()
    with connection, other:
        assert isinstance(connection, LoopConnection)
        yield handler, connection, other


def run(test: Callable[..., Awaitable[None]], debug: bool = True) -> None:
    async def main() -> None:
        async with asyncio.timeout(LIMIT), connected() as ends:
            await test(*ends)

    asyncio.run(main(), debug=debug)


def there(other: socket.socket) -> bytes:
    """Return what has arrived."""
    try:
        return other.recv(1_000_000, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""


def receive_all(handler: Any, other: socket.socket) -> int:
    """Return how many bytes arrive until the end of the stream, while other tasks run."""
    count = 0
    while True:
        handler.select([other], [], [])
        data = other.recv(1_000_000)
        if not data:
            return count
        count += len(data)


def test_the_first_goes_at_once_and_the_rest_together() -> None:
    async def test(handler: Any, connection: Any, other: socket.socket) -> None:
        def send() -> list[bytes]:
            assert [connection.send(bytes([byte])) for byte in b"abc"] == [1, 1, 1]
            return [there(other)]

        seen = await handler.call(send)
        await asyncio.sleep(0)
        seen.append(there(other))
        await handler.call(handler.sleep_func, 0)
        seen += [there(other)]
        assert seen[0] == b"a"
        assert b"".join(seen) == b"abc"

    run(test)


def test_all_that_is_sent_arrives_in_order() -> None:
    async def test(handler: Any, connection: Any, other: socket.socket) -> None:
        expected = b"".join(b"%d " % number for number in range(50_000))

        def send() -> None:
            for number in range(50_000):
                data = memoryview(b"%d " % number)
                if number % 1000 == 0:
                    connection.sendall(data)
                elif number % 777 == 0:
                    assert connection.sendmsg([data]) == len(data)
                else:
                    assert connection.send(data) == len(data)
            connection.shutdown(socket.SHUT_WR)

        def receive() -> bytes:
            got = []
            while True:
                handler.select([other], [], [])
                data = other.recv(100_000)
                if not data:
                    return b"".join(got)
                got.append(data)

        _, got = await asyncio.gather(handler.call(send), handler.call(receive))
        assert got == expected

    run(test)


def test_a_close_loses_nothing() -> None:
    async def test(handler: Any, connection: Any, other: socket.socket) -> None:
        def fill() -> int:
            connection.setblocking(False)
            sent = 0
            while True:
                try:
                    sent += connection.send(bytes(10_000))
                except BlockingIOError:
                    assert len(connection._aside) >= connection.buffer_size
                    break
            connection.close()
            return sent

        sent = await handler.call(fill)
        assert await handler.call(receive_all, handler, other) == sent

    run(test)


def test_whoever_cannot_wait_is_told_so_and_whoever_can_waits() -> None:
    async def test(handler: Any, connection: Any, other: socket.socket) -> None:
        # The kernel moves bytes on meanwhile: a connection that was full has room again. So each
        # question is asked until its answer fits, or for ever.
        def fill() -> None:
            while True:
                connection.setblocking(False)
                with pytest.raises(BlockingIOError):
                    send_for_ever()
                connection.settimeout(0.001)
                with suppress(TimeoutError):
                    connection.send(b"x")
                    continue
                if not writable():
                    break

        def send_for_ever() -> None:
            while True:
                assert any(writable() or full() for _ in range(100))
                connection.send(bytes(10_000))

        def writable() -> bool:
            answer = handler.select([], [connection], [], 0)
            assert answer in (([], [connection], []), ([], [], []))
            return bool(answer[1])

        def full() -> bool:
            return not connection.has_room(asyncio.get_running_loop()._handler_core_hub)  # type: ignore[attr-defined]

        await handler.call(fill)
        connection.settimeout(LIMIT)
        waiting = asyncio.ensure_future(handler.call(connection.send, b"x"))
        while not waiting.done():
            there(other)
            await asyncio.sleep(0)
        assert await waiting == 1

    run(test)


def test_an_error_is_raised_by_the_next_send() -> None:
    async def test(handler: Any, connection: Any, other: socket.socket) -> None:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        other.close()  # resets the connection

        def send() -> None:
            for _ in range(1000):
                connection.send(b"x")
                connection.send(b"x")
                handler.sleep_func(0)

        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            await handler.call(send)
        connection.close()
        with pytest.raises(OSError, match="Bad file descriptor"):
            await handler.call(connection.send, b"x")

    run(test)


# The fork is the point. pytest-timeout has a thread, so `fork` warns. Python 3.15 raises that.
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_sends_nothing_of_its_parents() -> None:
    async def test(handler: Any, connection: Any, other: socket.socket) -> None:
        def send() -> int:
            connection.send(b"a")
            connection.send(b"b")
            pid = os.fork()
            if not pid:
                connection.close()
                os._exit(0)
            assert posix.waitpid(pid, 0)[1] == 0
            return len(there(other))

        assert await handler.call(send) == 1
        await asyncio.sleep(0)
        await handler.call(handler.select, [other], [], [], LIMIT)
        assert there(other) == b"b"

    run(test)


def test_a_thread_sends_what_was_put_aside_first() -> None:
    async def test(handler: Any, connection: Any, other: socket.socket) -> None:
        def send() -> None:
            connection.send(b"a")
            connection.send(b"b")

        await handler.call(send)
        await asyncio.to_thread(connection.send, b"c")
        got = b""
        while len(got) < 3:
            await handler.call(handler.select, [other], [], [], LIMIT)
            got += there(other)
        assert got == b"abc"

    run(test)


@pytest.mark.parametrize(
    "select",
    [
        lambda handler, connection: handler.select([], [connection], [], 0)[1],
        lambda handler, connection: handler.select([], [connection], [], LIMIT)[1],
        lambda handler, connection: handler.select([connection], 0)[1],
        lambda handler, connection: greenlet_select.select([], [connection], [], 0)[1],
    ],
    ids=["timeout 0", "a timeout", "short form", "function"],
)
def test_select_reports_what_is_shut_down_as_writable(
    select: Callable[[Any, Any], list[Any]],
) -> None:
    """The next send raises at once, though an heir still sends what was put aside."""

    async def test(handler: Any, connection: Any, other: socket.socket) -> None:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)

        def fill_and_shut_down() -> None:
            connection.settimeout(0.1)
            with suppress(TimeoutError):  # the other end receives nothing
                while True:
                    connection.send(bytes(10_000))
            connection.shutdown(socket.SHUT_WR)
            handler.sleep_func(0)
            assert select(handler, connection) == [connection]
            assert handler.select([], [other, connection, other], [], 0)[1] == [
                other,
                connection,
                other,
            ]

        await handler.call(fill_and_shut_down)

    run(test)


@pytest.mark.parametrize("how", [socket.SHUT_WR, socket.SHUT_RDWR])
def test_a_shutdown_waits_for_nobody_and_loses_nothing(how: int) -> None:
    async def test(handler: Any, connection: Any, other: socket.socket) -> None:
        def send() -> int:
            sent = 0
            connection.settimeout(0.01)
            with suppress(TimeoutError):  # the other end receives nothing
                while True:
                    sent += connection.send(bytes(10_000))
            connection.settimeout(None)
            connection.shutdown(how)
            connection.shutdown(socket.SHUT_WR)
            for sends in (
                connection.send,
                connection.sendall,
                lambda data: connection.sendmsg([data]),
            ):
                with pytest.raises(BrokenPipeError):
                    sends(b"x")
            if how == socket.SHUT_RDWR:
                assert connection.recv(1) == b""
            return sent

        def receive() -> int:
            received = 0
            while data := other.recv(1_000_000):
                received += len(data)
            return received

        sent = await handler.call(send)
        assert await asyncio.to_thread(receive) == sent
        if how == socket.SHUT_WR:
            other.send(b"y")
            assert await handler.call(connection.recv, 1) == b"y"

    run(test)


@pytest.mark.parametrize("how", ["makefile", "dup"])
def test_a_close_leaves_the_stream_to_whoever_still_has_it(how: str) -> None:
    async def test(handler: Any, connection: Any, other: socket.socket) -> None:
        def send() -> int:
            keeper = (
                connection.makefile("wb", buffering=0) if how == "makefile" else connection.dup()
            )
            connection.setblocking(False)
            sent = 0
            with suppress(BlockingIOError):  # the other end receives nothing
                while True:
                    sent += connection.send(bytes(10_000))
            connection.close()
            receiving = handler.spawn(lambda: received.append(receive_all(handler, other)))
            if how == "makefile":
                connection.settimeout(None)
                assert keeper.write(b"end") == 3
            else:
                keeper.settimeout(None)
                keeper.sendall(b"end")
            keeper.close()
            receiving.join()
            return sent

        received: list[int] = []
        sent = await handler.call(send)
        assert received == [sent + 3]

    run(test)


def test_a_signal_handler_may_send_at_any_point() -> None:
    async def test(handler: Any, connection: Any, other: socket.socket) -> None:
        sent = []  # `+=` would lose what a signal within this handler adds

        def on_signal(*_: object) -> None:
            sent.append(connection.send(b"s"))

        def send() -> int:
            count = 0
            for _ in range(20_000):
                count += connection.send(b"x")
            return count

        receiving = asyncio.ensure_future(handler.call(receive_all, handler, other))
        before = signal.signal(signal.SIGALRM, on_signal)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        try:
            count = await handler.call(send)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        await handler.call(connection.shutdown, socket.SHUT_WR)
        assert await receiving == count + sum(sent)

    # In debug mode a send in the loop itself raises, and a signal may interrupt the loop.
    run(test, debug=False)
