"""The servers, a handler of the model under test, and what a test says of time and threads.

``HANDLER_CORE_TEST_HANDLER`` names the model; the default is ``threading``. The same tests serve
every model, each in a process of its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from handler_core import Handler, get_handler

from .models import HANDLER, Ticker
from .servers import Files, MariaDB, Memcached, Mosquitto, PostgreSQL, Redis, Server, new_files

S = TypeVar("S", bound=Server)

# Their programs name their own models, so they run once, and not for each model.
if HANDLER != "threading":
    collect_ignore = ["test_applications.py", "test_guide.py", "test_page.py"]

# The threads in which a loop's resolver looks names up.
RESOLVERS = ("asyncio_", "Trio thread")


def pytest_configure(config: pytest.Config) -> None:
    # eventlet warns once that it is deprecated. That concerns its users. Other warnings are errors.
    config.addinivalue_line("filterwarnings", r"ignore:\s*Eventlet is deprecated")


def why_missing(kind: type[Server]) -> None:
    """Skip the test if a server is not installed. With ``CI=true`` it fails."""
    missing = kind.why_missing()
    if missing is not None:
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The certificate of all servers, by an authority of its own."""
    return new_files(tmp_path_factory.mktemp("certificates"), "localhost")


@pytest.fixture(scope="session")
def shared_server(files: Files) -> Iterator[Callable[[type[S]], S]]:
    """Starts one server of each kind for all tests."""
    servers: dict[type[Server], Server] = {}

    def start(kind: type[S]) -> S:
        why_missing(kind)
        if kind not in servers:
            servers[kind] = kind(files).__enter__()
        return servers[kind]  # type: ignore[return-value]

    yield start
    for server in servers.values():
        server.close()


@pytest.fixture
def new_server(files: Files) -> Iterator[Callable[[type[S]], S]]:
    """Starts servers for one test to kill."""
    servers: list[Server] = []

    def start(kind: type[S]) -> S:
        why_missing(kind)
        server = kind(files).__enter__()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def redis_server(shared_server: Callable[[type[Redis]], Redis]) -> Redis:
    return shared_server(Redis)


@pytest.fixture
def memcached(shared_server: Callable[[type[Memcached]], Memcached]) -> Memcached:
    return shared_server(Memcached)


@pytest.fixture
def postgresql(shared_server: Callable[[type[PostgreSQL]], PostgreSQL]) -> PostgreSQL:
    return shared_server(PostgreSQL)


@pytest.fixture
def mariadb(shared_server: Callable[[type[MariaDB]], MariaDB]) -> MariaDB:
    return shared_server(MariaDB)


@pytest.fixture
def mosquitto(shared_server: Callable[[type[Mosquitto]], Mosquitto]) -> Mosquitto:
    return shared_server(Mosquitto)


@pytest.fixture
def handler() -> Iterator[Handler]:
    """A handler that runs. A test starts no thread, except where the model's tasks are threads."""
    with get_handler(HANDLER) as handler:
        before = set(threading.enumerate())
        yield handler
        if HANDLER != "threading":
            started = set(threading.enumerate()) - before
            assert [each for each in started if not each.name.startswith(RESOLVERS)] == []


@pytest.fixture
def ticker(handler: Handler) -> Iterator[Ticker]:
    """A task that counts what others let it."""
    ticker = Ticker(handler)
    yield ticker
    ticker.stop()


@pytest.fixture
def big() -> bytes:
    """10 MB that do not repeat."""
    return os.urandom(10_000_000)


@pytest.fixture
def unused_folder(tmp_path: Path) -> Path:
    return tmp_path
