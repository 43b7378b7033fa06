"""A shop in blocking style. It runs on any model: the program that uses it names the handler.

PostgreSQL has the prices and the orders, Redis keeps the prices at hand, and MySQL has the audit.
All connections use TLS. The environment says where the servers are, and whose certificates count.
"""

import os
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from handler_core_clients import Pool, psycopg, pymysql
from handler_core_clients.redis import ConnectionPool
from psycopg import OperationalError as PostgreSQLError
from pymysql import OperationalError as MySQLError
from redis import ConnectionError as RedisError
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from handler_core import Handler

POSTGRESQL = os.environ.get("POSTGRESQL", "host=localhost user=tester dbname=postgres")
REDIS = os.environ.get("REDIS", "rediss://localhost:6379")
MYSQL_HOST = os.environ.get("MYSQL_HOST", "localhost")
MYSQL_PORT = int(os.environ.get("MYSQL_PORT", "3306"))
MYSQL_PASSWORD = os.environ.get("MYSQL_PASSWORD", "secret")
CA = os.environ.get("CA", "ca.pem")

ARTICLES = BATCH = 20
CONNECTIONS = 5
LOST = (PostgreSQLError, MySQLError, RedisError)

T = TypeVar("T")


class Shop:
    """Takes orders. Its methods block, so each call runs in a task of the handler's model."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._postgresql = Pool(handler, self._connect_to_postgresql, CONNECTIONS)
        self._mysql = Pool(handler, self._connect_to_mysql, CONNECTIONS)
        self._redis = Redis(
            connection_pool=ConnectionPool.from_url(
                REDIS,
                handler=handler,
                ssl_ca_certs=CA,
                max_connections=CONNECTIONS,
                retry=Retry(NoBackoff(), 1),
            )
        )
        self._away: set[str] = set()
        self._prices_from: Counter[str] = Counter()
        self._taken = 0

    def _connect_to_postgresql(self) -> psycopg.Connection:
        return psycopg.connect(
            self._handler, POSTGRESQL, sslmode="verify-full", sslrootcert=CA, connect_timeout=10
        )

    def _connect_to_mysql(self) -> pymysql.Connection:
        return pymysql.connect(
            self._handler,
            host=MYSQL_HOST,
            port=MYSQL_PORT,
            user="tester",
            password=MYSQL_PASSWORD,
            database="test",
            ssl_ca=CA,
            ssl_verify_identity=True,
        )

    def open(self) -> None:
        """Make the tables, and forget the prices of yesterday."""
        with self._postgresql.connection() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS prices (article int, price int)")
            connection.execute("TRUNCATE prices")
            connection.execute(
                "INSERT INTO prices SELECT n, 100 + n FROM generate_series(0, %s) n", [ARTICLES - 1]
            )
            connection.execute(
                "CREATE TABLE IF NOT EXISTS orders (number int PRIMARY KEY, price int)"
            )
            connection.execute("TRUNCATE orders")
            connection.commit()
        with self._mysql.connection() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE OR REPLACE TABLE audit (number int PRIMARY KEY)")
        self._redis.flushdb()

    def close(self) -> None:
        """Close all connections."""
        self._postgresql.close()
        self._mysql.close()
        self._redis.connection_pool.disconnect()

    def next_orders(self) -> range:
        """Return the numbers of the orders that came in."""
        self._taken += BATCH
        return range(self._taken - BATCH, self._taken)

    def serve(self, number: int) -> None:
        """Serve an order, however long a server is away. Each step may be done twice."""
        article = number % ARTICLES
        key = f"price:{article}"
        cached = self._until_done("Redis", self._redis.get, key)
        if cached is None:
            self._prices_from["PostgreSQL"] += 1
            price = self._until_done("PostgreSQL", self._price, article)
            self._until_done("Redis", self._redis.set, key, price)
        else:
            self._prices_from["Redis"] += 1
            price = int(cached)
        self._until_done("PostgreSQL", self._store, number, price)
        self._until_done("MySQL", self._audit, number)

    def _price(self, article: int) -> int:
        with self._postgresql.connection() as connection:
            cursor = connection.execute("SELECT price FROM prices WHERE article = %s", [article])
            [price] = cursor.fetchone() or [0]
            return int(price)

    def _store(self, number: int, price: int) -> None:
        with self._postgresql.connection() as connection:
            connection.execute(
                "INSERT INTO orders VALUES (%s, %s) ON CONFLICT DO NOTHING", [number, price]
            )
            connection.commit()

    def _audit(self, number: int) -> None:
        with self._mysql.connection() as connection, connection.cursor() as cursor:
            cursor.execute("INSERT IGNORE INTO audit VALUES (%s)", [number])
            connection.commit()

    def _until_done(self, name: str, func: Callable[..., T], *args: object) -> T:
        """Call a function again and again until its server answers."""
        failed = False
        while True:
            try:
                return func(*args)
            except LOST as error:
                # One failure means little: a connection may have broken while nobody used it.
                if failed and name not in self._away:
                    self._away.add(name)
                    print(f"{name} is away: {type(error).__name__}", flush=True)
                if failed:
                    self._handler.sleep_func(0.1)
                failed = True

    def say_who_is_back(self) -> None:
        """Say which servers answer again. All orders that were taken are served by now."""
        for name in self._away:
            print(f"{name} is back", flush=True)
        self._away.clear()

    def slow_queries(self) -> list[Callable[[], object]]:
        """Return functions that wait for long: as many as there are connections."""
        return [self._slow_report, self._slow_audit, self._slow_message] * CONNECTIONS

    def _slow_report(self) -> None:
        with self._postgresql.connection() as connection:
            connection.execute("SELECT pg_sleep(60)")

    def _slow_audit(self) -> None:
        with self._mysql.connection() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT sleep(60)")

    def _slow_message(self) -> None:
        self._redis.blpop(["messages"], timeout=60)

    def say_where_prices_came_from(self) -> None:
        """Say how many prices came from where since this was asked last."""
        for name, count in self._prices_from.items():
            print(f"{count} orders served with prices from {name}", flush=True)
        self._prices_from.clear()

    def say_what_was_done(self) -> None:
        """Say how many orders each server has."""
        with self._postgresql.connection() as connection:
            [stored] = connection.execute("SELECT count(*) FROM orders").fetchone() or [0]
        with self._mysql.connection() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM audit")
            [audited] = cursor.fetchone() or [0]
        print(f"{self._taken} orders taken: PostgreSQL has {stored}, MySQL {audited}", flush=True)
