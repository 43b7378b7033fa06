"""pymemcache on every model."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable

import pytest
from handler_core_clients.pymemcache import Client, PooledClient
from pymemcache.client.base import Client as PlainClient
from pymemcache.exceptions import MemcacheUnexpectedCloseError

from handler_core import Handler

from .models import CANCELS, LONG, Ticker, cancelled, in_task
from .servers import Memcached

needs_cancellation = pytest.mark.skipif(not CANCELS, reason="threads are not cancelled")


def test_the_socket_module_is_enough(handler: Handler, memcached: Memcached) -> None:
    client = PlainClient(("127.0.0.1", memcached.port), socket_module=handler.socket_module)
    client.set("module", b"enough", noreply=False)
    assert client.get("module") == b"enough"
    client.close()


def test_ten_megabytes(handler: Handler, memcached: Memcached, big: bytes) -> None:
    client = Client(handler, ("localhost", memcached.port))
    client.set("big", big, noreply=False)
    assert client.get("big") == big
    client.close()


def test_tls_with_an_authority_of_its_own(
    handler: Handler, memcached: Memcached, big: bytes
) -> None:
    context = handler.ssl_context(ca=str(memcached.files.authority))
    client = Client(handler, ("localhost", memcached.secure_port), tls_context=context)
    client.set("tls", big, noreply=False)
    assert client.get("tls") == big
    client.close()
    refused = Client(handler, ("127.0.0.1", memcached.secure_port), tls_context=context)
    with pytest.raises(ssl.SSLCertVerificationError):
        refused.get("tls")


def test_many_tasks_and_a_pool(handler: Handler, memcached: Memcached, ticker: Ticker) -> None:
    pool = PooledClient(handler, ("localhost", memcached.port), default_noreply=False)

    def use(number: int) -> bytes:
        pool.set(f"key{number}", f"value{number}")
        return pool.get(f"key{number}")

    results = [in_task(handler, use, number) for number in range(100)]
    assert [result.get(timeout=LONG) for result in results] == [
        f"value{number}".encode() for number in range(100)
    ]
    pool.close()


def test_a_timeout(handler: Handler) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(handler, silent.getsockname(), timeout=0.1)
        with pytest.raises(TimeoutError):
            client.get("any")
        assert client.sock is None


@needs_cancellation
def test_a_cancelled_call_closes_its_connection(handler: Handler, memcached: Memcached) -> None:
    client = Client(handler, ("localhost", memcached.port), default_noreply=False)
    client.set("half", b"y" * 3_000_000)
    for number in range(30):
        cancelled(handler, 0.0005 * number, lambda: client.get("half"))
        client.set("number", str(number))
        assert client.get("number") == str(number).encode()
    client.close()


@needs_cancellation
def test_a_cancelled_call_of_a_silent_server(handler: Handler) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Client(handler, silent.getsockname())
        assert cancelled(handler, 0.05, lambda: client.get("any"))
        assert client.sock is None
        pool = PooledClient(handler, silent.getsockname(), max_pool_size=1)
        for _ in range(3):
            assert cancelled(handler, 0.05, lambda: pool.get("any"))
        assert pool.client_pool.used == ()


def test_the_server_is_killed(
    handler: Handler, new_server: Callable[[type[Memcached]], Memcached]
) -> None:
    server = new_server(Memcached)
    client = Client(handler, ("localhost", server.port))
    client.set("any", b"value", noreply=False)
    server.kill()
    with pytest.raises((OSError, MemcacheUnexpectedCloseError)):
        client.get("any")
    assert client.sock is None
    server.close()
