"""Fixtures that several modules use."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from handler_core import create_tcp_connection, get_handler

from .select_functions import ALL
from .servers import Connect, open_descriptors


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


@pytest.fixture
def tcp() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    with client, accepted:
        yield client, accepted


@pytest.fixture(params=ALL, ids=lambda function: function.__name__)
def selecting(request: pytest.FixtureRequest) -> Callable[..., Any]:
    function: Callable[..., Any] = request.param
    return function


@pytest.fixture(params=["function", "handler"])
def connect(request: pytest.FixtureRequest) -> Connect:
    if request.param == "handler":
        handler = get_handler("threading")
        return handler.create_connection

    def connect(*args: Any, **kwargs: Any) -> Any:
        return create_tcp_connection(socket, *args, **kwargs)

    return connect


@pytest.fixture
def _nothing_left_open() -> Iterator[None]:
    """Compare the open sockets before and after, once late look-up threads have ended."""
    before = open_descriptors()
    threads = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - threads:
        thread.join(30)
    left = {entry for entry in open_descriptors() - before if "socket:" in entry}
    assert left == set()


@pytest.fixture
def blackhole() -> Iterator[tuple[str, int]]:
    """Return an address that does not answer: that of a listener whose backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        with socket.socket() as probe:
            probe.settimeout(0.2)
            with pytest.raises(TimeoutError):
                probe.connect(listener.getsockname())
        yield listener.getsockname()
