"""Sockets of the bridge, on a loop."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from typing import Any

import pytest
from own_loop import OwnLoop, new_handler, only_asyncio, run

from handler_core.testing import LIMIT


class TestSockets(OwnLoop):
    def test_look_ups_go_through_the_loop(self) -> None:
        only_asyncio()
        asked = []

        async def main() -> None:
            async with new_handler() as handler:
                loop = asyncio.get_running_loop()

                async def getaddrinfo(host: Any, port: Any, **kwargs: Any) -> Any:
                    asked.append(host)
                    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

                loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign, assignment]
                with socket.create_server(("127.0.0.1", 0)) as server:
                    port = server.getsockname()[1]
                    connection = await handler.call(
                        handler.create_connection, ("zookeeper.example", port), timeout=LIMIT
                    )
                    with connection:
                        assert connection.getpeername() == ("127.0.0.1", port)
                    sock = handler.socket()
                    with sock:
                        await handler.call(sock.connect, ("other.example", port))
                        assert sock.getpeername() == ("127.0.0.1", port)

        run(main())
        assert asked == ["zookeeper.example", "other.example"]

    @pytest.mark.parametrize(
        ("name", "args"),
        [
            ("gethostbyname", ("host.example",)),
            ("gethostbyname_ex", ("host.example",)),
            ("gethostbyaddr", ("192.0.2.1",)),
            ("getfqdn", ("host.example",)),
            ("getnameinfo", (("192.0.2.1", 80), 0)),
        ],
    )
    def test_other_look_ups_let_the_loop_run(
        self, name: str, args: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun, may_end = threading.Event(), threading.Event()

        def look_up(*asked: Any) -> Any:
            begun.set()
            assert may_end.wait(LIMIT)
            return asked

        monkeypatch.setattr(socket, name, look_up)

        async def main() -> None:
            async with new_handler() as handler:
                func = getattr(handler.socket_module, name)
                with pytest.raises(RuntimeError, match=r"await handler\.call\("):
                    func(*args)
                look_ups = [asyncio.ensure_future(handler.call(func, *args)) for _ in range(2)]
                while not begun.is_set():
                    await asyncio.sleep(0.001)
                look_ups[0].cancel()
                with pytest.raises(asyncio.CancelledError):
                    await look_ups[0]
                may_end.set()
                assert await look_ups[1] == args

        run(main())

    def test_a_server_of_the_module_lets_the_loop_run(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                module = handler.socket_module
                with await handler.call(module.create_server, ("localhost", 0)) as server:
                    accepting = asyncio.ensure_future(handler.call(server.accept))
                    await asyncio.sleep(0.01)
                    address = server.getsockname()
                    client = await handler.call(module.create_connection, address)
                    accepted, _ = await accepting
                    with client, accepted:
                        assert accepted.getpeername() == client.getsockname()

        run(main())

    def test_a_name_for_a_datagram_goes_through_the_loop(self) -> None:
        only_asyncio()

        async def main() -> None:
            async with new_handler() as handler:
                loop = asyncio.get_running_loop()

                async def getaddrinfo(host: Any, port: Any, **kwargs: Any) -> Any:
                    assert host == "datagrams.example"
                    return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", 0))]

                loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign, assignment]
                module = handler.socket_module
                with (
                    module.socket(socket.AF_INET, socket.SOCK_DGRAM) as reader,
                    module.socket(socket.AF_INET, socket.SOCK_DGRAM) as writer,
                ):
                    reader.bind(("127.0.0.1", 0))
                    address = "datagrams.example", reader.getsockname()[1]
                    await handler.call(writer.sendto, b"1", address)
                    await handler.call(writer.sendto, b"2", 0, address)
                    await handler.call(writer.sendmsg, [b"3"], [], 0, address)
                    for data in (b"1", b"2", b"3"):
                        assert await handler.call(reader.recv, 10) == data

        run(main())

    def test_a_connection_that_does_not_wait_says_why(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                def fill() -> None:
                    connection.settimeout(0)
                    while True:
                        connection.send(bytes(100_000))

                with socket.create_server(("127.0.0.1", 0)) as server:
                    connection = await handler.call(
                        handler.create_connection, server.getsockname(), timeout=LIMIT
                    )
                    peer = server.accept()[0]
                    with connection, peer, pytest.raises(BlockingIOError) as raised:
                        await handler.call(fill)
                assert raised.value.errno == errno.EAGAIN

        run(main())

    def test_a_file_over_a_socket(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                left, right = handler.socket_module.socketpair()

                def write() -> None:
                    with right, right.makefile("wb") as file:
                        for number in range(10_000):
                            file.write(b"%d\n" % number)

                def read() -> list[int]:
                    with left, left.makefile("rb") as file:
                        return [int(line) for line in file]

                _, lines = await asyncio.gather(handler.call(write), handler.call(read))
                assert lines == list(range(10_000))

        run(main())

    def test_timeouts(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                left, right = handler.socket_module.socketpair()
                with left, right:
                    left.settimeout(0.001)
                    assert left.gettimeout() == left.timeout == 0.001
                    with pytest.raises(TimeoutError):
                        await handler.call(left.recv, 1)
                    left.setblocking(False)
                    assert not left.getblocking()
                    with pytest.raises(BlockingIOError):
                        left.recv(1)
                    with pytest.raises(BlockingIOError):
                        left.sendall(bytes(10_000_000))
                    with pytest.raises(ValueError, match="out of range"):
                        left.settimeout(-1)

        run(main())
