"""PyMySQL on every model."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pymysql as plain_pymysql
import pytest
from handler_core_clients import Pool, pymysql

from handler_core import Handler

from .models import CANCELS, HANDLER, LONG, Ticker, cancelled, eventually, in_task
from .servers import MariaDB

needs_cancellation = pytest.mark.skipif(not CANCELS, reason="threads are not cancelled")
Connect = Callable[..., Any]


@pytest.fixture
def connect(handler: Handler, mariadb: MariaDB) -> Iterator[Connect]:
    """Connects to the shared server."""
    connections: list[pymysql.Connection] = []

    def connect(**options: Any) -> pymysql.Connection:
        settings = {
            "host": "localhost",
            "port": mariadb.port,
            "user": "tester",
            "password": "secret",
            "database": "test",
            "max_allowed_packet": 64_000_000,
        }
        connections.append(pymysql.connect(handler, **(settings | options)))
        return connections[-1]

    yield connect
    for connection in connections:
        if connection.open:
            connection.close()


def run(connection: Any, query: str, *arguments: Any) -> Any:
    """Return the first column of the first row."""
    with connection.cursor() as cursor:
        cursor.execute(query, arguments)
        return cursor.fetchone()[0]


def is_busy(connection: Any, query: str) -> bool:
    """Return True if the server runs exactly this query."""
    found = "SELECT count(*) FROM information_schema.processlist WHERE info = %s"
    return bool(run(connection, found, query))


def test_tls_by_default(connect: Connect, ticker: Ticker) -> None:
    """The library's own handshake, in the midst of the connection."""
    connection = connect()
    before = ticker.ticks
    with connection.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
        assert cursor.fetchone()[1]
    run(connection, "SELECT sleep(0.3)")
    assert ticker.ticks - before >= 5


def test_tls_with_an_authority_of_its_own(connect: Connect, mariadb: MariaDB) -> None:
    authority = str(mariadb.files.authority)
    connection = connect(ssl_ca=authority, ssl_verify_identity=True)
    assert run(connection, "SELECT length(repeat('x', 10000000))") == 10_000_000
    assert len(run(connection, "SELECT repeat('x', 10000000)")) == 10_000_000
    with pytest.raises(plain_pymysql.OperationalError, match="certificate"):
        connect(host="127.0.0.1", ssl_ca=authority, ssl_verify_identity=True)


def test_options_of_tls_that_contradict_each_other(connect: Connect, mariadb: MariaDB) -> None:
    options = {"ca": str(mariadb.files.authority), "check_hostname": True, "verify_mode": False}
    with pytest.raises(ValueError, match="check_hostname"):
        connect(ssl=options)


def test_without_tls(connect: Connect) -> None:
    with connect(ssl_disabled=True).cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
        assert cursor.fetchone()[1] == ""


def test_a_unix_socket(connect: Connect, mariadb: MariaDB) -> None:
    connection = connect(unix_socket=str(mariadb.folder / "mariadb.sock"), ssl_disabled=True)
    assert run(connection, "SELECT 1") == 1


def test_a_server_that_is_not_there(connect: Connect) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(plain_pymysql.OperationalError, match="Can't connect"):
            connect(port=closed.getsockname()[1])


@pytest.mark.parametrize("tls", [True, False])
def test_ten_megabytes(connect: Connect, big: bytes, tls: bool) -> None:
    connection = connect(ssl_disabled=not tls)
    assert run(connection, "SELECT %s", big.hex()[:10_000_000]) == big.hex()[:10_000_000]


@pytest.mark.parametrize("tls", [True, False])
def test_ten_queries_at_a_time(
    handler: Handler, connect: Connect, ticker: Ticker, tls: bool
) -> None:
    connections = [connect(ssl_disabled=not tls) for _ in range(10)]
    watching = connect()
    before = ticker.ticks
    query = "SELECT 1, sleep(0.5)"
    results = [in_task(handler, run, connection, query) for connection in connections]
    count = "SELECT count(*) FROM information_schema.processlist WHERE info = %s"
    eventually(handler, lambda: run(watching, count, query) == 10)
    assert [result.get(timeout=LONG) for result in results] == [1] * 10
    assert ticker.ticks - before >= 5


def test_a_timeout(connect: Connect) -> None:
    connection = connect(read_timeout=0.1)
    with pytest.raises(plain_pymysql.OperationalError, match="timed out"):
        run(connection, "SELECT sleep(10)")
    assert not connection.open


def test_a_killed_connection(handler: Handler, connect: Connect) -> None:
    connection, watching = connect(), connect()
    waiting = in_task(handler, run, connection, "SELECT 2, sleep(60)")
    eventually(handler, lambda: is_busy(watching, "SELECT 2, sleep(60)"))
    watching.kill(connection.thread_id())
    with pytest.raises(plain_pymysql.OperationalError):
        waiting.get(timeout=LONG)
    assert not connection.open


def test_the_server_is_killed_in_the_midst(
    handler: Handler, connect: Connect, new_server: Callable[[type[MariaDB]], MariaDB]
) -> None:
    server = new_server(MariaDB)
    connection, watching = connect(port=server.port), connect(port=server.port)
    waiting = in_task(handler, run, connection, "SELECT 3, sleep(60)")
    eventually(handler, lambda: is_busy(watching, "SELECT 3, sleep(60)"))
    server.kill()
    with pytest.raises(plain_pymysql.OperationalError):
        waiting.get(timeout=LONG)
    assert not connection.open
    server.close()


@needs_cancellation
@pytest.mark.parametrize("tls", [True, False])
def test_a_cancelled_call_closes_its_connection(
    handler: Handler, connect: Connect, tls: bool
) -> None:
    connection = connect(ssl_disabled=not tls)
    assert cancelled(handler, 0.1, lambda: run(connection, "SELECT sleep(1)"))
    assert not connection.open


@pytest.mark.skipif(HANDLER not in ("gevent", "eventlet"), reason="they throw any exception")
def test_a_timeout_with_an_exception_of_the_callers(handler: Handler, connect: Connect) -> None:
    connection = connect(ssl_disabled=True)
    connection._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with pytest.raises(LookupError), importlib.import_module(HANDLER).Timeout(0.001, LookupError):
        connection._write_bytes(b"\x00" * 64_000_000)
    assert not connection.open


@needs_cancellation
def test_tasks_that_are_cancelled_at_any_point(handler: Handler, connect: Connect) -> None:
    """What comes from the pool after them has answers of its own."""
    pool = Pool(handler, lambda: connect(ssl_disabled=True), size=1)

    def use() -> None:
        with pool.connection() as connection:
            run(connection, "SELECT repeat('x', 1000000), sleep(0.005)")

    for number in range(20):
        cancelled(handler, 0.001 * number, use)
        with pool.connection(timeout=LONG) as connection:
            assert run(connection, "SELECT %s", number) == number
    pool.close()


def test_a_pool(handler: Handler, connect: Connect) -> None:
    pool = Pool(handler, connect, size=3)

    def use(number: int) -> int:
        with pool.connection() as connection:
            answer: int = run(connection, "SELECT %s", number)
            return answer

    results = [in_task(handler, use, number) for number in range(30)]
    assert [result.get(timeout=LONG) for result in results] == list(range(30))
    pool.close()
