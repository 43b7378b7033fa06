"""One round trip of each library, by the server's name."""

from __future__ import annotations

import redis
from handler_core_clients import paho, psycopg, psycopg2, pymemcache, pymysql
from handler_core_clients.redis import ConnectionPool
from paho.mqtt.enums import CallbackAPIVersion

from handler_core import Handler

from .models import LONG
from .servers import MariaDB, Memcached, Mosquitto, PostgreSQL, Redis


def test_redis(handler: Handler, redis_server: Redis) -> None:
    pool = ConnectionPool(handler, host="localhost", port=redis_server.port)
    with redis.Redis(connection_pool=pool) as client:
        assert client.set("round", "trip")
        assert client.get("round") == b"trip"
    pool.close()


def test_memcached(handler: Handler, memcached: Memcached) -> None:
    client = pymemcache.Client(handler, ("localhost", memcached.port))
    client.set("round", "trip", noreply=False)
    assert client.get("round") == b"trip"
    client.close()


def test_psycopg(handler: Handler, postgresql: PostgreSQL) -> None:
    with psycopg.connect(handler, postgresql.dsn) as connection:
        assert connection.execute("SELECT %s", ["trip"]).fetchone() == ("trip",)


def test_psycopg2(handler: Handler, postgresql: PostgreSQL) -> None:
    psycopg2.install(handler)
    connection = psycopg2.connect(handler, postgresql.dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT %s", ["trip"])
        assert cursor.fetchone() == ("trip",)
    connection.close()
    psycopg2.uninstall()


def test_pymysql(handler: Handler, mariadb: MariaDB) -> None:
    connection = pymysql.connect(
        handler, host="localhost", port=mariadb.port, user="tester", password="secret"
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT %s", ["trip"])
        assert cursor.fetchone() == ("trip",)


def test_paho(handler: Handler, mosquitto: Mosquitto) -> None:
    arrived = handler.queue_impl()
    client = paho.Client(handler, CallbackAPIVersion.VERSION2)
    client.on_connect = lambda *_: client.subscribe("round")
    client.on_subscribe = lambda *_: client.publish("round", b"trip")
    client.on_message = lambda client, data, message: arrived.put(message.payload)
    client.connect("localhost", mosquitto.port)
    client.loop_start()
    assert arrived.get(timeout=LONG) == b"trip"
    client.disconnect()
    client.loop_stop()
