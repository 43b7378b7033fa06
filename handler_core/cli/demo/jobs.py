"""The jobs of the demo: two clients that run under load. They run in the child process."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from typing import Any

from handler_core import AsyncResult, Handler, get_handler
from handler_core.cli.child.job import Job, JobError
from handler_core.cli.demo.load import DISPATCH_EVERY, Load, Measurement
from handler_core.cli.demo.sample_client import PipelinedClient
from handler_core.cli.demo.sample_client.server import NOTIFY

__all__ = ["KAZOO_CLIENT", "PIPELINED_CLIENT"]

# Seconds.
_CONNECT_TIMEOUT = 10.0


def _run_pipelined_client(
    model: str, report: Callable[[int], object], target: str, requests: int
) -> Measurement:
    """Echo payloads. A notice of the server causes each dispatched callback."""
    handler = get_handler(model)
    return _in_its_loop(handler, lambda: _echo(handler, report, target, requests))


def _run_kazoo_client(
    model: str, report: Callable[[int], object], target: str, requests: int
) -> Measurement:
    """Get a node with kazoo's client. A watch on the node causes each dispatched callback."""
    handler = get_handler(model)
    return _in_its_loop(handler, lambda: _get_nodes(handler, report, target, requests))


def _in_its_loop(handler: Handler, run: Callable[[], Measurement]) -> Measurement:
    """Call ``run`` for a coroutine, as a program would, if the model has an event loop."""
    if not handler.has_event_loop:
        return run()

    async def main() -> Measurement:
        return await handler.call(run)

    return handler.run_loop(main)


def _echo(
    handler: Handler, report: Callable[[int], object], target: str, requests: int
) -> Measurement:
    host, _, port = target.rpartition(":")

    def payload(number: int) -> bytes:
        return (NOTIFY if number % DISPATCH_EVERY == 0 else b"") + b"request %d" % number

    def send(number: int) -> AsyncResult[bytes]:
        return client.request(payload(number))

    def is_right(number: int, value: bytes) -> bool:
        return value == payload(number)

    load = Load(handler, requests, send, is_right)
    with (
        handler,
        PipelinedClient(handler, (host, int(port)), on_notice=load.count_dispatched) as client,
    ):
        load.run(report)
    return load.measurement()


def _get_nodes(
    handler: Handler, report: Callable[[int], object], target: str, requests: int
) -> Measurement:
    from kazoo.client import KazooClient
    from kazoo.exceptions import KazooException

    client = KazooClient(hosts=target, handler=handler)
    path = f"/handler-core-demo-{uuid.uuid4().hex}"
    data = b"handler-core"

    def send(number: int) -> AsyncResult[Any]:
        watch = None
        if number % DISPATCH_EVERY == 0:
            # Each watch is a new object, because kazoo keeps watches in a set.
            watch = functools.partial(load.count_dispatched)
        result: AsyncResult[Any] = client.get_async(path, watch=watch)
        return result

    def is_right(number: int, value: tuple[bytes, Any]) -> bool:
        return value[0] == data

    load = Load(handler, requests, send, is_right)
    try:
        try:
            client.start(timeout=_CONNECT_TIMEOUT)
        except handler.timeout_exception:
            raise JobError(
                f"no connection to {target} within {_CONNECT_TIMEOUT:g} seconds"
            ) from None
        # The node is ephemeral, so the server removes it if this process is killed.
        client.create(path, data, ephemeral=True)
        try:
            load.run(report)
        finally:
            client.delete(path)  # this fires the watches
    except KazooException as error:
        raise JobError(f"{type(error).__name__} {error}".rstrip()) from error
    finally:
        client.stop()
        client.close()
    return load.measurement()


PIPELINED_CLIENT = Job("pipelined client", _run_pipelined_client)
KAZOO_CLIENT = Job("KazooClient", _run_kazoo_client)
