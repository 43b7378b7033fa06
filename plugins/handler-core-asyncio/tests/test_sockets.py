"""Sockets of the bridge, on a loop."""

from __future__ import annotations

import asyncio
import socket
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
