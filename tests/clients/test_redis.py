"""redis-py on every model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import redis
from handler_core_clients.redis import Backoff, ConnectionPool, Lock
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from handler_core import Handler

from .models import CANCELS, LONG, Ticker, cancelled, eventually, in_task
from .servers import Files, Redis

needs_cancellation = pytest.mark.skipif(not CANCELS, reason="threads are not cancelled")
NewClient = Callable[..., "redis.Redis"]


@pytest.fixture
def new_client(handler: Handler, redis_server: Redis) -> Iterator[NewClient]:
    """Makes clients of the shared server, and closes them."""
    pools: list[ConnectionPool] = []

    def make(**options: object) -> redis.Redis:
        settings = {"host": "localhost", "port": redis_server.port} | options
        pools.append(ConnectionPool(handler, **settings))
        return redis.Redis(connection_pool=pools[-1])

    yield make
    for pool in pools:
        pool.disconnect()


def test_tls_with_an_authority_of_its_own(handler: Handler, redis_server: Redis) -> None:
    url = f"rediss://localhost:{redis_server.secure_port}?ssl_ca_certs="
    pool = ConnectionPool.from_url(url + str(redis_server.files.authority), handler=handler)
    client = redis.Redis(connection_pool=pool)
    big = b"x" * 10_000_000
    client.set("tls", big)
    assert client.get("tls") == big
    pool.disconnect()


def test_tls_by_a_name_that_the_certificate_has_not(
    new_client: NewClient, redis_server: Redis, files: Files
) -> None:
    client = new_client(
        host="127.0.0.1",
        port=redis_server.secure_port,
        connection_class=redis.SSLConnection,
        ssl_ca_certs=str(files.authority),
        retry=None,
    )
    with pytest.raises(redis.ConnectionError, match="certificate"):
        client.ping()


def test_an_option_of_tls_that_a_handler_has_not_is_refused(
    new_client: NewClient, redis_server: Redis
) -> None:
    client = new_client(
        connection_class=redis.SSLConnection, ssl_validate_ocsp=True, port=redis_server.secure_port
    )
    with pytest.raises(ValueError, match="ssl_validate_ocsp"):
        client.ping()


def test_a_unix_socket(handler: Handler, redis_server: Redis) -> None:
    pool = ConnectionPool.from_url(f"unix://{redis_server.unix_path}", handler=handler)
    assert redis.Redis(connection_pool=pool).ping()
    pool.disconnect()


def test_a_class_of_connections_that_is_not_known_is_refused(handler: Handler) -> None:
    with pytest.raises(TypeError, match="connection_class"):
        ConnectionPool(handler, connection_class=object)


def test_a_pipeline_of_thousands(new_client: NewClient) -> None:
    pipeline = new_client().pipeline(transaction=False)
    for number in range(5_000):
        pipeline.set(f"pipe{number}", number)
        pipeline.get(f"pipe{number}")
    answers = pipeline.execute()
    assert answers[1::2] == [str(number).encode() for number in range(5_000)]


def test_ten_megabytes(new_client: NewClient, big: bytes) -> None:
    client = new_client()
    client.set("big", big)
    assert client.get("big") == big


def test_other_tasks_run_while_one_waits(new_client: NewClient, ticker: Ticker) -> None:
    before = ticker.ticks
    assert new_client().blpop(["nothing"], timeout=0.3) is None
    assert ticker.ticks - before >= 5


def test_a_timeout(new_client: NewClient) -> None:
    client = new_client(socket_timeout=0.1, retry=None)
    with pytest.raises(redis.TimeoutError):
        client.blpop(["nothing"], timeout=10)
    assert client.ping()


def test_a_task_waits_for_a_connection_of_the_pool(handler: Handler, new_client: NewClient) -> None:
    client = new_client(max_connections=1)
    waiting = in_task(handler, client.blpop, ["pool"], 10)
    eventually(handler, lambda: not client.connection_pool.pool.qsize())
    pushing = in_task(handler, client.get, "any")
    assert not pushing.ready()
    new_client().rpush("pool", "x")
    assert waiting.get(timeout=LONG) == (b"pool", b"x")
    pushing.get(timeout=LONG)
    assert len(client.connection_pool._connections) == 1


def test_a_pool_in_use_says_so(handler: Handler, new_client: NewClient) -> None:
    client = new_client(max_connections=1, timeout=0.05)
    connection = client.connection_pool.get_connection()
    with pytest.raises(redis.ConnectionError, match="No connection available"):
        client.ping()
    client.connection_pool.release(connection)
    assert client.ping()


def test_many_tasks(handler: Handler, new_client: NewClient) -> None:
    client = new_client(max_connections=5)
    client.delete("count")
    results = [in_task(handler, client.incr, "count") for _ in range(100)]
    assert sorted(result.get(timeout=LONG) for result in results) == list(range(1, 101))


def test_messages_in_a_task_of_their_own(handler: Handler, new_client: NewClient) -> None:
    client = new_client()
    pubsub = client.pubsub()
    pubsub.subscribe("news")
    arrived = handler.queue_impl()

    def listen() -> None:
        for message in pubsub.listen():
            arrived.put(message["data"])

    listening = in_task(handler, listen)
    assert arrived.get(timeout=LONG) == 1
    for number in range(100):
        client.publish("news", number)
    assert [arrived.get(timeout=LONG) for _ in range(100)] == [b"%d" % n for n in range(100)]
    pubsub.unsubscribe()
    listening.get(timeout=LONG)
    pubsub.close()


def test_the_server_is_killed_while_a_task_waits(
    handler: Handler, new_server: Callable[[type[Redis]], Redis], new_client: NewClient
) -> None:
    server = new_server(Redis)
    client = new_client(port=server.port, retry=None, socket_timeout=None)
    assert client.ping()
    waiting = in_task(handler, client.blpop, ["never"], 0)
    eventually(handler, lambda: not all(client.connection_pool.pool.queue))
    handler.sleep_func(0.05)
    server.kill()
    with pytest.raises(redis.ConnectionError):
        waiting.get(timeout=LONG)
    with pytest.raises(redis.ConnectionError):
        client.ping()
    server.close()


def test_another_task_closes_the_connection(handler: Handler, new_client: NewClient) -> None:
    client = new_client(retry=None)
    client.ping()
    waiting = in_task(handler, client.blpop, ["never"], 0)
    handler.sleep_func(0.1)
    client.connection_pool.disconnect()
    with pytest.raises((redis.ConnectionError, ValueError, OSError)):
        waiting.get(timeout=LONG)


@needs_cancellation
def test_a_cancelled_call_closes_its_connection(handler: Handler, new_client: NewClient) -> None:
    client = new_client(max_connections=1, socket_timeout=None)
    client.ping()
    (connection,) = client.connection_pool._connections
    assert cancelled(handler, 0.1, lambda: client.blpop(["never"], timeout=0))
    assert not connection.is_connected
    for number in range(20):
        assert client.echo(f"{number}") == b"%d" % number
    assert client.connection_pool._connections == [connection]


@needs_cancellation
def test_calls_that_are_cancelled_at_any_point(handler: Handler, new_client: NewClient) -> None:
    """The answers of those after them are their own."""
    client = new_client(max_connections=2, socket_timeout=None)
    client.set("half", b"y" * 3_000_000)
    for number in range(30):
        cancelled(handler, 0.0005 * number, lambda: client.get("half"))
        assert client.echo(f"{number}") == b"%d" % number
    assert client.connection_pool.pool.qsize() == 2


@needs_cancellation
def test_a_task_that_is_cancelled_while_it_waits_for_a_connection(
    handler: Handler, new_client: NewClient
) -> None:
    client = new_client(max_connections=1)
    connection = client.connection_pool.get_connection()
    assert cancelled(handler, 0.05, client.ping)
    client.connection_pool.release(connection)
    assert client.ping()


def test_retries_sleep_by_the_handler(
    handler: Handler,
    new_server: Callable[[type[Redis]], Redis],
    new_client: NewClient,
    ticker: Ticker,
) -> None:
    server = new_server(Redis)
    retry = Retry(Backoff(handler, ConstantBackoff(0.2)), 2)
    client = new_client(port=server.port, retry=retry)
    client.ping()
    server.kill()
    before, begun = ticker.ticks, time.monotonic()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    assert time.monotonic() - begun >= 0.4
    assert ticker.ticks - before >= 5
    server.close()


def test_a_lock_sleeps_by_the_handler(
    handler: Handler, new_client: NewClient, ticker: Ticker
) -> None:
    client = new_client()
    holder = client.lock("lock", lock_class=Lock, timeout=60)
    assert holder.acquire()
    contender = client.lock("lock", lock_class=Lock, sleep=0.02)
    assert not contender.acquire(blocking=False)
    before = ticker.ticks
    assert not contender.acquire(blocking_timeout=0.3)
    assert ticker.ticks - before >= 5
    waiting = in_task(handler, contender.acquire)
    holder.release()
    assert waiting.get(timeout=LONG)
    client.delete("lock")


def test_a_lock_of_a_client_without_a_handler_is_refused(redis_server: Redis) -> None:
    client = redis.Redis(port=redis_server.port)
    lock = client.lock("no handler", lock_class=Lock)
    with pytest.raises(TypeError, match="connection_pool is of a handler"):
        lock.acquire()
    client.close()
