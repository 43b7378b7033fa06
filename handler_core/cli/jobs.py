"""What the commands have a handler do. Runs in the child process of one model."""

from __future__ import annotations

import functools
import os
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from handler_core.cli.conformance import Conformance, run_quick_part
from handler_core.cli.description import Description, describe_handler, describe_wrapper
from handler_core.cli.failure import JobError
from handler_core.cli.load import DISPATCH_EVERY, Load, Measurement
from handler_core.cli.rounds import Figures, measure_rows
from handler_core.execution._result import AsyncResult
from handler_core.handler._handler import Handler
from handler_core.lookup._get_handler import get_handler
from handler_core.lookup._wrappers import WRAPPERS_VARIABLE, get_wrapper
from handler_core.pipeline import PipelinedClient
from handler_core.pipeline.server import NOTIFY

__all__ = [
    "CONFORMANCE",
    "DESCRIPTION",
    "JOBS",
    "KAZOO_CLIENT",
    "MICRO_ROWS",
    "PIPELINED_CLIENT",
    "WRAPPER_DESCRIPTION",
]

# Seconds.
_CONNECT_TIMEOUT = 10.0


def _run_pipelined_client(
    handler: Handler, report: Callable[[int], object], target: str, requests: int
) -> Measurement:
    """Echo payloads; a notice of the server sets off each dispatched callback."""
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


def _run_kazoo_client(
    handler: Handler, report: Callable[[int], object], target: str, requests: int
) -> Measurement:
    """Get a node with kazoo's client; a watch on it sets off each dispatched callback."""
    from kazoo.client import KazooClient
    from kazoo.exceptions import KazooException

    client = KazooClient(hosts=target, handler=handler)
    path = f"/handler-core-demo-{uuid.uuid4().hex}"
    data = b"handler-core"

    def send(number: int) -> AsyncResult[Any]:
        watch = None
        if number % DISPATCH_EVERY == 0:
            # An object of its own: kazoo keeps watches in a set.
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
        # Ephemeral: should this process be killed, the server removes the node.
        client.create(path, data, ephemeral=True)
        try:
            load.run(report)
        finally:
            client.delete(path)  # which fires the watches
    except KazooException as error:
        raise JobError(f"{type(error).__name__} {error}".rstrip()) from error
    finally:
        client.stop()
        client.close()
    return load.measurement()


PIPELINED_CLIENT = "pipelined client"
KAZOO_CLIENT = "KazooClient"
MICRO_ROWS = "micro rows"
DESCRIPTION = "description"
WRAPPER_DESCRIPTION = "description of a wrapper"
CONFORMANCE = "conformance"


class Job(NamedTuple):
    """What a child process does.

    Attributes:
        make: returns what it is done with, by the name of the plugin.
        run: takes that, a function to call with how much is done, and the arguments of the job by
            name.
    """

    make: Callable[[str], Any]
    run: Callable[..., Measurement | Figures | Description | Conformance]


def _get_handler_alone(name: str) -> Handler:
    """Make a handler, and have no wrappers in this process: it is the model that is looked at."""
    os.environ.pop(WRAPPERS_VARIABLE, None)
    return get_handler(name)


JOBS = {
    PIPELINED_CLIENT: Job(get_handler, _run_pipelined_client),
    KAZOO_CLIENT: Job(get_handler, _run_kazoo_client),
    MICRO_ROWS: Job(get_handler, measure_rows),
    DESCRIPTION: Job(_get_handler_alone, describe_handler),
    WRAPPER_DESCRIPTION: Job(get_wrapper, describe_wrapper),
    CONFORMANCE: Job(_get_handler_alone, run_quick_part),
}
