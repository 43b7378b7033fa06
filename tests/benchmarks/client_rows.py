"""The rows of the clients: their names, and the servers that they need.

This module imports none of the clients.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from clients.servers import MariaDB, Memcached, PostgreSQL, Redis, Server, new_files

__all__ = [
    "MEMCACHED",
    "MYSQL",
    "NATIVE",
    "PSYCOPG",
    "PSYCOPG2",
    "REDIS",
    "REQUESTS",
    "SERVERS",
    "THREADS",
    "running_servers",
]

REDIS = "redis-py: get"
MEMCACHED = "pymemcache: get"
PSYCOPG = "psycopg: select 1"
PSYCOPG2 = "psycopg2: select 1"
MYSQL = "PyMySQL: select 1"

#: What has to be installed.
SERVERS: Sequence[type[Server]] = (Redis, Memcached, PostgreSQL, MariaDB)

REQUESTS = (REDIS, MEMCACHED, PSYCOPG, PSYCOPG2, MYSQL)

#: The same library on plain threads.
THREADS = "threads"

#: A library that is written for asyncio.
NATIVE = "native"


@contextlib.contextmanager
def running_servers() -> Iterator[dict[str, int]]:
    """Yield where the servers listen, by row."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = new_files(folder, "localhost")
        ports = {kind: stack.enter_context(kind(files)).port for kind in SERVERS}
        yield {
            REDIS: ports[Redis],
            MEMCACHED: ports[Memcached],
            PSYCOPG: ports[PostgreSQL],
            PSYCOPG2: ports[PostgreSQL],
            MYSQL: ports[MariaDB],
        }
