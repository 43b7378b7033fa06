"""A program that fills a connection, closes it, and ends its loop or its process.

Arguments: the model, the port of the other end on this machine, how the connection is left (see
``leave``), how the program ends (see ``end``), and the connection's timeout in seconds.

It prints how many bytes ``send`` has taken, then ``ended``. What is lost goes to the standard
error, since that may be known before the end. It ends when its standard input does.
"""

from __future__ import annotations

import logging
import socket
import sys
from typing import Any

from handler_core import AsyncResult, get_handler

logging.basicConfig(format="%(message)s")


def fill(handler: Any, port: int, leave: str, timeout: float) -> Any:
    """Send until the kernel and the connection are full."""
    connection = handler.create_connection(("127.0.0.1", port), 5)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32768)
    connection.settimeout(0.05)
    sent = 0
    try:
        while True:
            sent += connection.send(b"x" * 1000)
    except TimeoutError:
        print(sent, flush=True)
    connection.settimeout(timeout)
    if leave == "shut-down":
        connection.shutdown(socket.SHUT_WR)
    elif leave == "closed":
        connection.close()
    return connection


def main() -> None:
    model, port, leave, end, timeout = sys.argv[1:]
    handler: Any = get_handler(model)

    async def run() -> Any:
        return await handler.call(fill, handler, int(port), leave, float(timeout))

    kept = []
    if end == "private-loop":
        result: AsyncResult[Any] = AsyncResult(handler)
        handler.spawn(lambda: result.set(fill(handler, int(port), leave, float(timeout))))
        kept.append(result.get(timeout=10))
    elif end == "closed-loop":  # without the shutdown that `asyncio.run` does
        import asyncio

        loop = asyncio.new_event_loop()
        kept.append(loop.run_until_complete(run()))
        loop.close()
    elif end == "left-loop":
        import asyncio

        loop = asyncio.new_event_loop()
        kept += [loop, loop.run_until_complete(run())]
    else:
        kept.append(handler.run_loop(run))
    print("ended", flush=True)
    if end != "process":
        sys.stdin.read()


main()
