"""psycopg 3 and psycopg2 on every model."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg as plain_psycopg
import psycopg2 as plain_psycopg2
import pytest
from handler_core_clients import Pool, PoolTimeoutError, psycopg, psycopg2

from handler_core import Handler
from handler_core.testing._open_descriptors import open_descriptors

from .models import CANCELS, HANDLER, LONG, Ticker, cancelled, eventually, in_task
from .servers import PostgreSQL

needs_cancellation = pytest.mark.skipif(not CANCELS, reason="threads are not cancelled")

#: The errors of each library.
OperationalError = (plain_psycopg.OperationalError, plain_psycopg2.OperationalError)


@pytest.fixture
def installed(handler: Handler) -> Iterator[None]:
    """What psycopg2 waits by."""
    psycopg2.install(handler)
    yield
    psycopg2.uninstall()


@pytest.fixture(params=[psycopg, psycopg2], ids=["psycopg", "psycopg2"])
def connect(
    request: pytest.FixtureRequest, handler: Handler, installed: None
) -> Iterator[Callable[..., Any]]:
    """Connects by one library or the other."""
    connections: list[Any] = []

    def connect(dsn: str, **options: Any) -> Any:
        connections.append(request.param.connect(handler, dsn, **options))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


def run(connection: Any, query: str, *arguments: Any) -> Any:
    """Return the first column of the first row."""
    with connection.cursor() as cursor:
        cursor.execute(query, arguments)
        return cursor.fetchone()[0]


def read_to_the_end(listener: socket.socket) -> None:
    """Read what a client has begun with. Return when it has closed its connection."""
    server, _ = listener.accept()
    with server:
        server.settimeout(LONG)
        while server.recv(1000):
            pass


def is_busy(connection: Any, query: str) -> bool:
    """Return True if the server runs such a query in another connection."""
    count = run(
        connection,
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s"
        " AND pid <> pg_backend_pid()",
        f"%{query}%",
    )
    connection.rollback()
    return bool(count)


def test_tls_with_an_authority_of_its_own(
    connect: Callable[..., Any], postgresql: PostgreSQL
) -> None:
    connection = connect(
        postgresql.dsn, sslmode="verify-full", sslrootcert=str(postgresql.files.authority)
    )
    assert run(connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    assert len(run(connection, "SELECT repeat('x', 10000000)")) == 10_000_000
    with pytest.raises(OperationalError):
        connect(postgresql.dsn, sslmode="verify-full", sslrootcert="/nowhere/ca.pem")


def test_a_unix_socket(connect: Callable[..., Any], postgresql: PostgreSQL) -> None:
    connection = connect(
        f"host={postgresql.folder} port={postgresql.port} user=tester dbname=postgres"
    )
    assert run(connection, "SELECT 1") == 1


def test_an_unknown_host(connect: Callable[..., Any]) -> None:
    with pytest.raises(OperationalError, match="host"):
        connect("host=nowhere.invalid user=tester")


def test_the_second_host_answers(connect: Callable[..., Any], postgresql: PostgreSQL) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ports = f"{closed.getsockname()[1]},{postgresql.port}"
        connection = connect(f"host=localhost,localhost port={ports} user=tester dbname=postgres")
        assert run(connection, "SELECT 1") == 1


def test_an_unknown_host_before_one_that_answers(
    connect: Callable[..., Any], postgresql: PostgreSQL
) -> None:
    hosts = f"host=nowhere.invalid,localhost port={postgresql.port}"
    assert run(connect(f"{hosts} user=tester dbname=postgres"), "SELECT 1") == 1


def test_more_hosts_than_ports(connect: Callable[..., Any], postgresql: PostgreSQL) -> None:
    ports = f"{postgresql.port},{postgresql.port}"
    with pytest.raises(OperationalError, match="port numbers"):
        connect(f"host=localhost,localhost,localhost port={ports} user=tester dbname=postgres")


def test_a_port_of_the_environment(
    connect: Callable[..., Any], postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", str(postgresql.port))
    assert run(connect("host=localhost user=tester dbname=postgres"), "SELECT 1") == 1


def test_a_host_of_the_environment(
    handler: Handler,
    connect: Callable[..., Any],
    postgresql: PostgreSQL,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The handler looks it up, and not libpq, which would block."""
    names: list[str] = []
    look_up = handler.look_up

    def noting(host: str, *arguments: Any) -> Any:
        names.append(host)
        return look_up(host, *arguments)

    monkeypatch.setattr(handler, "look_up", noting)
    monkeypatch.setenv("PGHOST", "nowhere.invalid,localhost")
    monkeypatch.setenv("PGPORT", f"1,{postgresql.port}")
    assert run(connect("user=tester dbname=postgres"), "SELECT 1") == 1
    assert names == ["nowhere.invalid", "localhost"]


def test_an_address_of_the_environment(
    connect: Callable[..., Any], postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    connection = connect(f"host=nowhere.invalid port={postgresql.port} user=tester dbname=postgres")
    assert run(connection, "SELECT 1") == 1


def test_a_service_file(
    connect: Callable[..., Any],
    postgresql: PostgreSQL,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The host that it names would be looked up by libpq. All the rest of it counts."""
    file = tmp_path / "services"
    file.write_text(f"[here]\nhost=localhost\nport={postgresql.port}\ndbname=postgres\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    with pytest.raises(ValueError, match="give a host beside the service 'here'"):
        connect("service=here user=tester")
    monkeypatch.setenv("PGSERVICE", "here")
    with pytest.raises(ValueError, match="give a host beside the service 'here'"):
        connect("user=tester")
    assert run(connect("host=localhost user=tester"), "SELECT 1") == 1


def test_psycopg2_that_is_not_installed(handler: Handler, postgresql: PostgreSQL) -> None:
    with pytest.raises(RuntimeError, match=r"psycopg2\.install\(handler\)"):
        psycopg2.connect(handler, postgresql.dsn)


def test_a_server_that_does_not_answer(connect: Callable[..., Any], ticker: Ticker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        before = ticker.ticks
        with pytest.raises(OperationalError, match="timeout expired") as kept:
            connect(f"host=localhost port={port} user=tester connect_timeout=2")
        assert ticker.ticks - before >= 5
        read_to_the_end(silent)
        assert "timeout" in str(kept.value)


def test_ten_megabytes(connect: Callable[..., Any], postgresql: PostgreSQL, big: bytes) -> None:
    connection = connect(postgresql.dsn)
    text = big.hex()[:10_000_000]
    assert run(connection, "SELECT %s::text", text) == text


def test_ten_queries_at_a_time(
    handler: Handler, connect: Callable[..., Any], postgresql: PostgreSQL, ticker: Ticker
) -> None:
    connections = [connect(postgresql.dsn) for _ in range(10)]
    watching = connect(postgresql.dsn)
    before = ticker.ticks
    results = [in_task(handler, run, each, "SELECT 1, pg_sleep(0.5)") for each in connections]

    def running() -> int:
        count: int = run(
            watching,
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%1, pg_sleep(0.5)'"
            " AND state = 'active'",
        )
        watching.rollback()
        return count

    eventually(handler, lambda: running() == 10)
    assert [result.get(timeout=LONG) for result in results] == [1] * 10
    assert ticker.ticks - before >= 5


def test_an_error_leaves_a_connection_that_works(
    connect: Callable[..., Any], postgresql: PostgreSQL
) -> None:
    connection = connect(postgresql.dsn)
    with pytest.raises((plain_psycopg.errors.DivisionByZero, plain_psycopg2.DataError)):
        run(connection, "SELECT 1 / 0")
    connection.rollback()
    assert run(connection, "SELECT 1") == 1


def test_another_task_cancels_the_query(
    handler: Handler, connect: Callable[..., Any], postgresql: PostgreSQL
) -> None:
    connection, watching = connect(postgresql.dsn), connect(postgresql.dsn)
    waiting = in_task(handler, run, connection, "SELECT 2, pg_sleep(60)")
    eventually(handler, lambda: is_busy(watching, "2, pg_sleep(60)"))
    getattr(connection, "cancel_safe", connection.cancel)()
    with pytest.raises((plain_psycopg.errors.QueryCanceled, plain_psycopg2.OperationalError)):
        waiting.get(timeout=LONG)
    connection.rollback()
    assert run(connection, "SELECT 1") == 1


@needs_cancellation
def test_a_cancelled_cancellation_closes_its_socket(
    handler: Handler, new_server: Callable[[type[PostgreSQL]], PostgreSQL]
) -> None:
    """At once, and not by a collection of garbage some time later."""
    server = new_server(PostgreSQL)
    postmaster = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
    with psycopg.connect(handler, server.dsn) as connection:
        gc.collect()
        gc.disable()
        before = open_descriptors()
        os.kill(postmaster, signal.SIGSTOP)  # the kernel connects, and nobody answers
        try:
            assert cancelled(handler, 0.1, connection.cancel_safe)
            assert open_descriptors() == before
        finally:
            os.kill(postmaster, signal.SIGCONT)
            gc.enable()
        assert run(connection, "SELECT 1") == 1


@needs_cancellation
def test_a_libpq_that_cancels_by_blocking_only(
    handler: Handler, postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As before version 17. It is not asked to, because it would block all tasks."""

    def not_supported(self: object) -> object:
        raise plain_psycopg.NotSupportedError("by this libpq")

    monkeypatch.setattr(plain_psycopg.Connection, "_cancel_gen", not_supported)
    connection = psycopg.connect(handler, postgresql.dsn)
    assert cancelled(handler, 0.2, lambda: run(connection, "SELECT 6, pg_sleep(60)"))
    assert connection.closed


def test_a_killed_backend(
    handler: Handler, connect: Callable[..., Any], postgresql: PostgreSQL
) -> None:
    connection, watching = connect(postgresql.dsn), connect(postgresql.dsn)
    pid = run(connection, "SELECT pg_backend_pid()")
    waiting = in_task(handler, run, connection, "SELECT 3, pg_sleep(60)")
    eventually(handler, lambda: is_busy(watching, "3, pg_sleep(60)"))
    run(watching, "SELECT pg_terminate_backend(%s)", pid)
    with pytest.raises(OperationalError):
        waiting.get(timeout=LONG)
    assert connection.closed


def test_the_server_is_killed_in_the_midst(
    handler: Handler,
    connect: Callable[..., Any],
    new_server: Callable[[type[PostgreSQL]], PostgreSQL],
) -> None:
    server = new_server(PostgreSQL)
    connection, watching = connect(server.dsn), connect(server.dsn)
    waiting = in_task(handler, run, connection, "SELECT 4, pg_sleep(60)")
    eventually(handler, lambda: is_busy(watching, "4, pg_sleep(60)"))
    server.kill()
    with pytest.raises(OperationalError):
        waiting.get(timeout=LONG)
    server.close()


@needs_cancellation
def test_a_cancelled_task_cancels_its_query(
    handler: Handler, connect: Callable[..., Any], postgresql: PostgreSQL
) -> None:
    connection, watching = connect(postgresql.dsn), connect(postgresql.dsn)
    assert cancelled(handler, 0.2, lambda: run(connection, "SELECT 5, pg_sleep(60)"))
    eventually(handler, lambda: not is_busy(watching, "5, pg_sleep(60)"))
    if isinstance(connection, psycopg.Connection):
        connection.rollback()
        assert run(connection, "SELECT 1") == 1
    else:
        assert connection.closed


@needs_cancellation
def test_tasks_that_are_cancelled_at_any_point(
    handler: Handler, connect: Callable[..., Any], postgresql: PostgreSQL
) -> None:
    """What comes from the pool after them has answers of its own."""
    pool = Pool(handler, lambda: connect(postgresql.dsn), size=1)

    def use() -> None:
        with pool.connection() as connection:
            run(connection, "SELECT repeat('x', 1000000), pg_sleep(0.005)")

    for number in range(20):
        cancelled(handler, 0.001 * number, use)
        with pool.connection(timeout=LONG) as connection:
            assert run(connection, "SELECT %s", number) == number
    pool.close()


@pytest.mark.skipif(HANDLER not in ("gevent", "eventlet"), reason="they throw any exception")
@pytest.mark.parametrize("kind", [LookupError, TimeoutError])
def test_a_timeout_with_an_exception_of_the_callers(
    handler: Handler, postgresql: PostgreSQL, kind: type[Exception]
) -> None:
    with psycopg.connect(handler, postgresql.dsn) as connection:
        with pytest.raises(kind), importlib.import_module(HANDLER).Timeout(0.1, kind):
            connection.execute("SELECT pg_sleep(60)")
        connection.rollback()
        assert run(connection, "SELECT 1") == 1


@needs_cancellation
def test_a_cancelled_connect(handler: Handler, connect: Callable[..., Any]) -> None:
    """Its socket is closed at once, and not by a collection of garbage some time later."""
    gc.collect()
    gc.disable()
    try:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            dsn = f"host=localhost port={silent.getsockname()[1]} user=tester"
            assert cancelled(handler, 0.1, lambda: connect(dsn))
            read_to_the_end(silent)
    finally:
        gc.enable()


def test_a_pool(handler: Handler, connect: Callable[..., Any], postgresql: PostgreSQL) -> None:
    made: list[Any] = []

    def make() -> Any:
        made.append(connect(postgresql.dsn))
        return made[-1]

    pool = Pool(handler, make, size=3)

    def use(number: int) -> int:
        with pool.connection() as connection:
            answer: int = run(connection, "SELECT %s", number)
            return answer

    results = [in_task(handler, use, number) for number in range(30)]
    assert [result.get(timeout=LONG) for result in results] == list(range(30))
    assert 1 <= len(made) <= 3
    with pool.connection() as lent:
        pool.close()
        assert [connection for connection in made if not connection.closed] == [lent]
    assert lent.closed
    with pytest.raises(RuntimeError, match="closed"), pool.connection():
        pass


def test_a_pool_in_use(
    handler: Handler, connect: Callable[..., Any], postgresql: PostgreSQL
) -> None:
    pool = Pool(handler, lambda: connect(postgresql.dsn), size=1)
    with pool.connection() as lent:
        with pytest.raises(PoolTimeoutError, match="all 1 connections"), pool.connection(0.05):
            pass
        waiting = in_task(handler, lambda: pool.connection().__enter__())
        handler.sleep_func(0.01)
        assert not waiting.ready()
    assert waiting.get(timeout=LONG) is lent


def test_a_pool_undoes_what_was_not_committed(
    handler: Handler, connect: Callable[..., Any], postgresql: PostgreSQL
) -> None:
    pool = Pool(handler, lambda: connect(postgresql.dsn), size=1)
    lent: list[Any] = []

    def fail() -> None:
        with pool.connection() as connection:
            lent.append(connection)
            run(connection, "SELECT set_config('clients.any', 'left', false)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with pool.connection() as again:
        assert [again] == lent
        assert run(again, "SELECT current_setting('clients.any', true)") in (None, "")
    with pool.connection() as connection:
        connection.close()
    with pool.connection() as again:
        assert again is not connection
        assert run(again, "SELECT 1") == 1
    pool.close()


def test_a_pool_after_all_its_connections_broke(
    handler: Handler, connect: Callable[..., Any], postgresql: PostgreSQL
) -> None:
    """Who tries once more gets a connection that works."""
    pool = Pool(handler, lambda: connect(postgresql.dsn), size=3)
    with pool.connection() as first, pool.connection() as second, pool.connection() as third:
        processes = [run(each, "SELECT pg_backend_pid()") for each in (first, second, third)]
    with psycopg.connect(handler, postgresql.dsn) as other:
        for process in processes:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [process])
    with pytest.raises(OperationalError), pool.connection() as broken:
        run(broken, "SELECT 1")
    for _ in range(2):
        with pool.connection() as new, pool.connection() as another, pool.connection() as last:
            assert [run(each, "SELECT 1") for each in (new, another, last)] == [1] * 3
    assert all(each.closed for each in (first, second, third))
    assert not any(each.closed for each in (new, another, last))
    pool.close()


def test_notifications_of_psycopg(handler: Handler, postgresql: PostgreSQL) -> None:
    listening = psycopg.connect(handler, postgresql.dsn, autocommit=True)
    listening.execute("LISTEN news")
    hearing = in_task(handler, lambda: [n.payload for n in listening.notifies(stop_after=3)])
    with psycopg.connect(handler, postgresql.dsn, autocommit=True) as connection:
        for number in range(3):
            connection.execute("SELECT pg_notify('news', %s)", [str(number)])
            handler.sleep_func(0.01)
    assert hearing.get(timeout=LONG) == ["0", "1", "2"]
    assert list(listening.notifies(timeout=0.05)) == []
    listening.close()


def test_copy_and_a_pipeline_of_psycopg(handler: Handler, postgresql: PostgreSQL) -> None:
    with psycopg.connect(handler, postgresql.dsn) as connection:
        connection.execute("CREATE TEMPORARY TABLE copied (number integer)")
        with connection.cursor().copy("COPY copied FROM STDIN") as copy:
            for number in range(10_000):
                copy.write_row([number])
        assert run(connection, "SELECT sum(number) FROM copied") == 49_995_000
        with connection.pipeline():
            cursors = [connection.execute("SELECT %s", [number]) for number in range(100)]
        assert [cursor.fetchone() for cursor in cursors] == [(number,) for number in range(100)]


ROWS = "SELECT repeat('x', 9000), pg_sleep(0.02) FROM generate_series(1, 999)"

#: By what the task waits for when it is cancelled.
COPIES = {
    "its first row": "COPY (SELECT pg_sleep(0.05) FROM generate_series(1, 1000)) TO STDOUT",
    "a row": f"COPY ({ROWS}) TO STDOUT",
    "its reader": "COPY (SELECT repeat('x', 9000) FROM generate_series(1, 9000)) TO STDOUT",
    "its writer": "COPY copied FROM STDIN",
    "the server": "COPY copied FROM STDIN",
}


@needs_cancellation
@pytest.mark.parametrize("waits_for", COPIES)
def test_a_cancelled_copy_of_psycopg(
    handler: Handler, postgresql: PostgreSQL, waits_for: str
) -> None:
    """The connection is as before, and may be used again."""
    moved: list[object] = []

    def copy_all() -> None:
        with connection.cursor().copy(COPIES[waits_for]) as copy:
            while waits_for in ("its writer", "the server"):
                moved.append(copy.write_row(["x" * 9000]))
                if waits_for == "its writer":
                    handler.sleep_func(0.001)
            for row in copy:
                moved.append(row)
                if waits_for == "its reader":
                    handler.sleep_func(0.001)

    with psycopg.connect(handler, postgresql.dsn, autocommit=True) as connection:
        connection.execute("CREATE TEMPORARY TABLE copied (text text)")
        for _ in range(3):
            moved.clear()
            assert cancelled(handler, 0.3, copy_all)
            assert bool(moved) == (waits_for != "its first row")
            assert run(connection, "SELECT count(*) FROM copied") == 0


class Cancelled(BaseException):
    """What a model may throw into a task that waits."""


class CancelsOnce:
    """A handler whose next ``select`` is cancelled just as it would return."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._cancels = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)

    def select(self, *arguments: Any) -> Any:
        ready = self._handler.select(*arguments)
        if any(ready) and self._cancels:
            self._cancels = False
            raise Cancelled
        return ready


@pytest.mark.parametrize("waits_for", ["a row", "its writer"])
def test_a_copy_of_psycopg_that_is_cancelled_as_it_begins(
    handler: Handler, postgresql: PostgreSQL, waits_for: str
) -> None:
    """Nothing of psycopg would end it yet."""
    with psycopg.connect(handler, postgresql.dsn, autocommit=True) as connection:
        connection.execute("CREATE TEMPORARY TABLE copied (text text)")
        for _ in range(3):
            type(connection).handler = CancelsOnce(handler)  # type: ignore[assignment]
            with pytest.raises(Cancelled), connection.cursor().copy(COPIES[waits_for]):
                pass
            type(connection).handler = handler
            assert run(connection, "SELECT count(*) FROM copied") == 0


def test_a_query_of_psycopg_that_fails_while_it_is_cancelled(
    handler: Handler, postgresql: PostgreSQL
) -> None:
    """Its end is read, so the connection is as before."""
    with psycopg.connect(handler, postgresql.dsn, autocommit=True) as connection:
        type(connection).handler = CancelsOnce(handler)  # type: ignore[assignment]
        with pytest.raises(Cancelled):
            connection.execute("SELECT 1 / 0")
        type(connection).handler = handler
        assert run(connection, "SELECT 1") == 1


@needs_cancellation
def test_a_cancelled_stream_of_psycopg(handler: Handler, postgresql: PostgreSQL) -> None:
    with psycopg.connect(handler, postgresql.dsn, autocommit=True) as connection:
        for _ in range(3):
            assert cancelled(handler, 0.1, lambda: list(connection.cursor().stream(ROWS)))
            assert run(connection, "SELECT 1") == 1


def test_tasks_share_a_connection_of_psycopg(handler: Handler, postgresql: PostgreSQL) -> None:
    with psycopg.connect(handler, postgresql.dsn, autocommit=True) as connection:
        results = [
            in_task(handler, run, connection, "SELECT %s, pg_sleep(0.01)", number)
            for number in range(10)
        ]
        assert [result.get(timeout=LONG) for result in results] == list(range(10))


def test_notifications_of_psycopg2(
    handler: Handler, postgresql: PostgreSQL, installed: None
) -> None:
    connection = psycopg2.connect(handler, postgresql.dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("LISTEN news")

    def hear() -> str:
        while not connection.notifies:
            handler.select([connection], [], [], None)
            connection.poll()
        payload: str = connection.notifies.pop().payload
        return payload

    hearing = in_task(handler, hear)
    with psycopg.connect(handler, postgresql.dsn, autocommit=True) as other:
        other.execute("NOTIFY news, 'extra'")
    assert hearing.get(timeout=LONG) == "extra"
    connection.close()


def test_a_thread_without_the_model_waits_as_ever(
    handler: Handler, postgresql: PostgreSQL, installed: None
) -> None:
    answers: list[int] = []

    def ask() -> None:
        connection = plain_psycopg2.connect(postgresql.dsn)
        answers.append(run(connection, "SELECT 6, pg_sleep(0.05)"))
        connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    eventually(handler, lambda: not thread.is_alive())
    assert answers == [6]


def test_a_pool_of_none_is_refused(handler: Handler) -> None:
    with pytest.raises(ValueError, match="one connection or more"):
        Pool(handler, object, size=0)
    with pytest.raises(TypeError, match="at least one"):
        psycopg2.install()
