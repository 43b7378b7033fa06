"""The warning where TLS of the standard library takes a socket of a model."""

from __future__ import annotations

import os
import ssl
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from handler_core import Handler, get_handler

from .servers import Server, silent

# eventlet says at its import that it is deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:\s*Eventlet is deprecated")

MODELS = ["threading", "gevent", "eventlet", "asyncio", "trio"]

GREEN = MODELS[1:]

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE

Take = Callable[[Handler, Any], Any]


def taken(name: str, take: Take) -> list[warnings.WarningMessage]:
    """Let ``take`` wrap a connection and an unconnected socket, where the model runs tasks."""
    handler = get_handler(name)

    def wrap() -> None:
        for sock in handler.create_connection(server.address, 20), handler.socket():
            take(handler, sock).close()

    async def main() -> None:
        async with handler:
            await handler.call(wrap)

    with Server(silent) as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if handler.has_event_loop:
            handler.run_loop(main)
        else:
            wrap()
    return [each for each in caught if each.category is RuntimeWarning]


def wrapped(handler: Handler, sock: Any) -> Any:
    return CONTEXT.wrap_socket(sock, do_handshake_on_connect=False)


def wrapped_by_ours(handler: Handler, sock: Any) -> Any:
    return handler.ssl_context(verify_certs=False).wrap_socket(sock, do_handshake_on_connect=False)


@pytest.mark.parametrize("name", GREEN)
def test_a_green_socket_is_taken(name: str) -> None:
    first, second = taken(name, wrapped)
    assert "handler.ssl_context(...)" in str(first.message)
    line = wrapped.__code__.co_firstlineno + 1
    for each in first, second:
        assert (each.filename, each.lineno) == (__file__, line)


def test_threads_may_block() -> None:
    assert taken("threading", wrapped) == []


@pytest.mark.parametrize("name", MODELS)
def test_a_context_of_the_model_takes_it(name: str) -> None:
    assert taken(name, wrapped_by_ours) == []


@pytest.mark.parametrize("name", MODELS)
def test_the_handler_takes_it_itself(name: str) -> None:
    def connect(handler: Handler, sock: Any) -> Any:
        sock.close()
        with Server(lambda sock: sock.recv(10)) as server, pytest.raises(OSError):  # noqa: PT011
            handler.create_connection(server.address, 20, ssl_context=CONTEXT)
        return sock

    assert taken(name, connect) == []


@pytest.mark.parametrize("name", MODELS)
def test_to_detach_is_not_to_wrap(name: str) -> None:
    def let_go(handler: Handler, sock: Any) -> Any:
        os.close(sock.detach())
        return sock

    assert taken(name, let_go) == []


@pytest.mark.parametrize("name", GREEN)
def test_a_socket_that_does_not_wait_is_taken(name: str) -> None:
    def wrap(handler: Handler, sock: Any) -> Any:
        sock.setblocking(False)
        return wrapped(handler, sock)

    assert taken(name, wrap) == []


@pytest.mark.parametrize("name", ["asyncio", "trio"])
def test_a_thread_without_a_loop_may_block(name: str) -> None:
    handler = get_handler(name)
    with Server(silent) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        wrapped(handler, handler.create_connection(server.address, 20)).close()


@pytest.mark.parametrize("name", GREEN)
def test_a_warning_that_is_an_error_leaves_nothing_open(name: str) -> None:
    handler = get_handler(name)

    def wrap() -> None:
        sock = handler.create_connection(server.address, 20)
        with pytest.raises(RuntimeWarning):
            CONTEXT.wrap_socket(sock, do_handshake_on_connect=False)
        assert sock.fileno() == -1

    async def main() -> None:
        async with handler:
            await handler.call(wrap)

    with Server(silent) as server, warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", ResourceWarning)
        if handler.has_event_loop:
            handler.run_loop(main)
        else:
            wrap()
