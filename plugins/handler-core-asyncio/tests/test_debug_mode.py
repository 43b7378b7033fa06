"""In debug mode a call that may block raises in a coroutine, also if it need not wait."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest
from own_loop import OwnLoop, new_handler, run

#: Calls that need not wait: their socket is ready, and their queue has room and an item.
CALLS: dict[str, Callable[[Any, Any, Any], object]] = {
    "recv": lambda handler, sock, queue: sock.recv(1),
    "recv_into": lambda handler, sock, queue: sock.recv_into(bytearray(1)),
    "recvfrom": lambda handler, sock, queue: sock.recvfrom(1),
    "send": lambda handler, sock, queue: sock.send(b"x"),
    "sendall": lambda handler, sock, queue: sock.sendall(b"x"),
    "sendmsg": lambda handler, sock, queue: sock.sendmsg([b"x"]),
    "connect": lambda handler, sock, queue: sock.connect(sock.getpeername()),
    "connect_ex": lambda handler, sock, queue: sock.connect_ex(sock.getpeername()),
    "select": lambda handler, sock, queue: handler.select([sock], [], [], 1),
    "select for writing": lambda handler, sock, queue: handler.select([], [sock], [], None),
    "sleep": lambda handler, sock, queue: handler.sleep_func(0),
    "get": lambda handler, sock, queue: queue.get(),
    "put": lambda handler, sock, queue: queue.put(1),
    "get with a timeout": lambda handler, sock, queue: queue.get(timeout=1),
}

#: Nobody listens here.
NOBODY = ("127.0.0.1", 1)

#: Calls that never wait.
ALLOWED: dict[str, Callable[[Any, Any, Any], object]] = {
    "select": lambda handler, sock, queue: handler.select([sock], [sock], [], 0),
    "get": lambda handler, sock, queue: queue.get(block=False),
    "get_nowait": lambda handler, sock, queue: queue.get_nowait(),
    "put": lambda handler, sock, queue: queue.put(1, block=False),
    "put_nowait": lambda handler, sock, queue: queue.put_nowait(1),
    "put without a limit": lambda handler, sock, queue: handler.queue_impl().put(1),
    "pending": lambda handler, sock, queue: sock.pending(),
    "shutdown": lambda handler, sock, queue: sock.shutdown(socket.SHUT_WR),
    "close": lambda handler, sock, queue: sock.close(),
    "recv": lambda handler, sock, queue: (sock.settimeout(0), sock.recv(1)),
    "send": lambda handler, sock, queue: (sock.settimeout(0), sock.send(b"x")),
    "recv at once": lambda handler, sock, queue: sock.recv(1, socket.MSG_DONTWAIT),
}


#: Calls that need not wait, as the first ones that are made with a handler.
FIRST_CALLS: dict[str, Callable[[Any, Any, Any], object]] = {
    **{name: CALLS[name] for name in ("recv", "sendall", "sendmsg", "select", "sleep", "get")},
    "create_connection": lambda handler, sock, queue: handler.create_connection(NOBODY, 5),
}


async def call(
    handler: Any, func: Callable[[Any, Any, Any], object], peeked: bool = False
) -> object:
    """Call ``func`` in the running coroutine, with what it needs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        sock = await handler.call(handler.create_connection, server.getsockname(), 5)
        with sock, server.accept()[0] as peer:
            peer.sendall(b"hello")
            await handler.call(handler.select, [sock], [], [], 5)
            if peeked:
                assert sock.pending() == 5
            queue = handler.queue_impl(5)
            queue.put_nowait(1)
            return func(handler, sock, queue)


class TestDebugMode(OwnLoop):
    @pytest.mark.parametrize("since", ["the beginning", "later"])
    @pytest.mark.parametrize("name", CALLS)
    def test_a_call_that_may_wait_raises(self, name: str, since: str) -> None:
        async def main() -> None:
            loop = asyncio.get_running_loop()
            if since == "the beginning":
                loop.set_debug(True)
            async with new_handler() as handler:
                loop.set_debug(True)
                with pytest.raises(RuntimeError, match=r"await handler\.call\("):
                    await call(handler, CALLS[name])

        run(main())

    @pytest.mark.parametrize("name", FIRST_CALLS)
    def test_the_first_call_of_a_new_handler_raises(self, name: str) -> None:
        async def main() -> None:
            handler = new_handler()
            plain, peer = socket.socketpair()
            queue = handler.queue_impl(5)
            queue.put_nowait(1)
            with handler.socket_module.socket(fileno=plain.detach()) as sock, peer:
                peer.sendall(b"x")
                with pytest.raises(RuntimeError, match=r"await handler\.call\("):
                    FIRST_CALLS[name](handler, sock, queue)

        run(main())

    @pytest.mark.parametrize("name", ALLOWED)
    def test_a_call_that_never_waits_returns(self, name: str) -> None:
        async def main() -> None:
            asyncio.get_running_loop().set_debug(True)
            async with new_handler() as handler:
                await call(handler, ALLOWED[name])

        run(main())

    @pytest.mark.parametrize("name", [name for name in CALLS if "connect" not in name])
    def test_in_a_greenlet_nothing_changes(self, name: str) -> None:
        async def main() -> None:
            asyncio.get_running_loop().set_debug(True)
            async with new_handler() as handler:
                with socket.create_server(("127.0.0.1", 0)) as server:
                    sock = await handler.call(handler.create_connection, server.getsockname(), 5)
                    with sock, server.accept()[0] as peer:
                        peer.sendall(b"hello")
                        queue = handler.queue_impl(5)
                        queue.put_nowait(1)
                        await handler.call(CALLS[name], handler, sock, queue)

        run(main())

    def test_what_was_peeked_at_raises_too(self) -> None:
        async def main() -> None:
            asyncio.get_running_loop().set_debug(True)
            async with new_handler() as handler:
                with pytest.raises(RuntimeError, match=r"await handler\.call\("):
                    await call(handler, CALLS["recv"], peeked=True)

        run(main())

    def test_a_connection_to_an_address(self) -> None:
        async def main() -> None:
            asyncio.get_running_loop().set_debug(True)
            async with new_handler() as handler:
                with (
                    socket.create_server(("127.0.0.1", 0)) as server,
                    pytest.raises(RuntimeError, match=r"await handler\.call\("),
                ):
                    handler.create_connection(server.getsockname(), 5)

        run(main())

    def test_a_result_that_is_there_is_read(self) -> None:
        async def main() -> None:
            asyncio.get_running_loop().set_debug(True)
            async with new_handler() as handler:
                result = handler.async_result()
                result.set(1)
                assert result.get() == 1
                assert result.wait(1)

        run(main())

    def test_without_debug_mode_nothing_changes(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                loop = asyncio.get_running_loop()
                loop.set_debug(True)
                loop.set_debug(False)
                for name in ("recv", "send", "select", "get", "put"):
                    await call(handler, CALLS[name])

        run(main())


def test_the_environment_variable() -> None:
    """A program without debug mode has the plain methods."""
    program = """
        import asyncio
        from handler_core_greenlet import Queue
        from handler_core import get_handler

        plain = Queue.get

        async def main():
            async with get_handler("asyncio"):
                print(Queue.get is plain)

        asyncio.run(main())
    """
    printed = [
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            env={"PYTHONASYNCIODEBUG": debug},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for debug in ("", "1")
    ]
    assert printed == ["True", "False"]
