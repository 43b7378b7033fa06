"""A real server, and kazoo's real client on a handler.

The handler's name comes from the environment variable ``HANDLER_CORE_TEST_HANDLER``; the default
is ``threading``. The same tests serve every model, each in a process of its own, so they take
their events, sleep and tasks from the handler.
"""

from __future__ import annotations

import logging
import os
import re
import uuid
from collections.abc import Callable, Iterator

import pytest
from certificates import Authority
from kazoo.client import KazooClient
from kazoo.retry import KazooRetry

from handler_core import Handler, get_handler
from handler_core.testing import TLSIdentity, ZooKeeperServer

HANDLER = os.environ.get("HANDLER_CORE_TEST_HANDLER", "threading")


def pytest_configure(config: pytest.Config) -> None:
    # eventlet warns once that it is deprecated. That concerns its users. Other warnings are errors.
    config.addinivalue_line("filterwarnings", r"ignore:\s*Eventlet is deprecated")


def new_server(tls: TLSIdentity | None = None) -> ZooKeeperServer:
    missing = ZooKeeperServer.why_missing(tls=tls is not None)
    if missing is not None:
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return ZooKeeperServer(sleep_func=get_handler(HANDLER).sleep_func, tls=tls)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that a client is to trust."""
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="session")
def identity(authority: Authority) -> TLSIdentity:
    """The identity of a server at the address that all servers share."""
    return TLSIdentity(*authority.issue("127.0.0.1"))


@pytest.fixture(scope="session")
def server() -> Iterator[ZooKeeperServer]:
    """The server that all tests share. Tests that stop a server have one of their own."""
    with new_server() as server:
        yield server


@pytest.fixture
def own_server() -> Iterator[ZooKeeperServer]:
    """A server for one test to stop and start."""
    with new_server() as server:
        yield server


@pytest.fixture
def new_handler() -> Iterator[Callable[[], Handler]]:
    """Makes handlers, and stops them at the end."""
    handlers: list[Handler] = []

    def make() -> Handler:
        handlers.append(get_handler(HANDLER))
        return handlers[-1]

    yield make
    for handler in handlers:
        handler.stop()


@pytest.fixture
def handler(new_handler: Callable[[], Handler]) -> Handler:
    """A handler, not started."""
    return new_handler()


@pytest.fixture
def new_client(
    new_handler: Callable[[], Handler], request: pytest.FixtureRequest
) -> Iterator[Callable[..., KazooClient]]:
    """Makes clients, each on a handler of its own, and ends them.

    They reconnect quickly. So no session ends because a client waited too long.
    """
    clients: list[KazooClient] = []

    def make(hosts: str | None = None, **options: object) -> KazooClient:
        # Only a test that names no server needs the shared one.
        hosts = hosts or request.getfixturevalue("server").hosts
        handler = options.pop("handler", None) or new_handler()
        options.setdefault(
            "connection_retry",
            KazooRetry(max_tries=-1, delay=0.05, max_delay=0.2, sleep_func=handler.sleep_func),
        )
        clients.append(KazooClient(hosts, handler=handler, **options))
        return clients[-1]

    yield make
    for client in clients:
        client.stop()
        client.close()


@pytest.fixture
def client(new_client: Callable[..., KazooClient], handler: Handler) -> KazooClient:
    """A connected client on the test's ``handler``."""
    client = new_client(handler=handler)
    client.start()
    return client


@pytest.fixture
def path(request: pytest.FixtureRequest) -> str:
    """A path that no other test uses."""
    return f"/{re.sub(r'[^a-z0-9]+', '-', request.node.name)}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(autouse=True)
def no_errors_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test if a callback or the client's loop has logged an error.

    A test that causes an error on purpose calls ``caplog.clear()``.
    """
    yield
    records = [
        record for phase in ("setup", "call", "teardown") for record in caplog.get_records(phase)
    ]
    assert [r.getMessage() for r in records if r.levelno >= logging.ERROR] == []
