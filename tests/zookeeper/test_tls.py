"""The client over TLS: certificates that are right and wrong, and data in many records."""

from __future__ import annotations

import dataclasses
import logging
import os
import random
import signal
from collections.abc import Callable, Iterator

import pytest
from certificates import Authority
from kazoo.client import KazooClient
from kazoo.protocol.states import EventType, KazooState

from handler_core import Handler
from handler_core.testing import TLSIdentity, ZooKeeperServer, _zookeeper_settings

from .conftest import new_server
from .support import IN_FLIGHT, LONG, Recorder, assert_all_end, freeze, many_requests

#: Bytes of a large node. They are some sixty TLS records, and nearly a server's limit.
LARGE = 900_000


@pytest.fixture(scope="session")
def secure_server(identity: TLSIdentity) -> Iterator[ZooKeeperServer]:
    """A server in good order, which all tests share."""
    with new_server(identity) as server:
        yield server


@pytest.fixture
def new_secure_client(
    new_client: Callable[..., KazooClient], authority: Authority
) -> Callable[..., KazooClient]:
    """Makes clients that use TLS and check the server and its name."""

    def make(hosts: str, **options: object) -> KazooClient:
        defaults = {"use_ssl": True, "ca": authority.certificate, "check_hostname": True}
        return new_client(hosts, **(defaults | options))

    return make


@pytest.fixture
def secure_client(
    secure_server: ZooKeeperServer,
    new_secure_client: Callable[..., KazooClient],
    handler: Handler,
) -> KazooClient:
    """A connected client on the test's ``handler``."""
    client = new_secure_client(secure_server.secure_hosts, handler=handler)
    client.start()
    return client


def assert_refused(client: KazooClient, caplog: pytest.LogCaptureFixture, *known: str) -> None:
    """Let a client try in vain. Each of its many attempts must be logged with a known reason."""
    earlier = len(caplog.records)

    def reasons() -> list[str]:
        return [
            record.getMessage()
            for record in caplog.records[earlier:]
            if record.levelno == logging.WARNING
            and record.getMessage().startswith("Connection dropped")
        ]

    timeout = 0.5
    descriptors: list[int] = []
    while len(descriptors) < 3:
        attempts = len(reasons())
        with pytest.raises(client.handler.timeout_exception):
            client.start(timeout=timeout)
        assert not client.connected
        assert not client.handler.running
        if len(reasons()) - attempts >= 2:
            descriptors.append(len(os.listdir("/proc/self/fd")))
        else:
            assert timeout < LONG, f"there were not even two attempts; the log is\n{caplog.text}"
            timeout *= 2
    assert [text for text in reasons() if not any(reason in text for reason in known)] == []
    assert len(set(descriptors)) == 1


def test_the_operations(secure_client: KazooClient, handler: Handler, path: str) -> None:
    assert secure_client._connection._socket.version() == "TLSv1.2"
    events = Recorder(handler)
    assert secure_client.exists(path, watch=events) is None
    secure_client.create(path, b"one")
    events.wait_until(lambda: len(events.calls) == 1)
    assert secure_client.get(path, watch=events)[0] == b"one"
    secure_client.set(path, b"two")
    events.wait_until(lambda: len(events.calls) == 2)
    assert [event.type for event in events.calls] == [EventType.CREATED, EventType.CHANGED]
    assert secure_client.get(path)[0] == b"two"
    assert secure_client.command(b"ruok") == "imok"
    secure_client.delete(path)
    secure_client.restart()
    assert secure_client.exists(path) is None


def test_many_gets_at_once(secure_client: KazooClient, handler: Handler, path: str) -> None:
    secure_client.create(path, b"value")
    links = Recorder(handler)
    results = [secure_client.get_async(path) for _ in range(1_000)]
    for result in results:
        result.link(links)
    assert {result.get(timeout=LONG)[0] for result in results} == {b"value"}
    links.wait_until(lambda: len(links.calls) == len(results))
    assert links.calls == results


def test_large_nodes_both_ways(secure_client: KazooClient, path: str) -> None:
    """Writing waits for room more than once, while data to read has begun to come."""
    values = [random.Random(number).randbytes(LARGE) for number in range(5)]
    creations = [
        secure_client.create_async(f"{path}-{number}", value) for number, value in enumerate(values)
    ]
    assert [creation.get(timeout=LONG) for creation in creations] == [
        f"{path}-{number}" for number in range(len(values))
    ]
    results = []
    for number, value in enumerate(values):
        results.append(secure_client.get_async(f"{path}-{number}"))
        results.append(secure_client.exists_async(path))
        secure_client.set_async(f"{path}-{number}", value[::-1])
        results.append(secure_client.get_async(f"{path}-{number}"))
    for value in values:
        assert results.pop(0).get(timeout=LONG)[0] == value
        assert results.pop(0).get(timeout=LONG) is None
        assert results.pop(0).get(timeout=LONG)[0] == value[::-1]


def test_the_newest_protocol(
    identity: TLSIdentity,
    new_secure_client: Callable[..., KazooClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server's tickets come after the handshake: they make it readable but bring no data."""
    options = (
        "-Dzookeeper.ssl.protocol=TLSv1.3",
        "-Dzookeeper.ssl.enabledProtocols=TLSv1.3",
        "-Dzookeeper.ssl.ciphersuites=TLS_AES_128_GCM_SHA256",
    )
    options = _zookeeper_settings._JAVA_OPTIONS + options
    monkeypatch.setattr(_zookeeper_settings, "_JAVA_OPTIONS", options)
    with new_server(identity) as server:
        client = new_secure_client(server.secure_hosts)
        client.start()
        assert client._connection._socket.version() == "TLSv1.3"
        value = random.Random(0).randbytes(LARGE)
        client.create("/large", value)
        results = [client.get_async("/large") for _ in range(5)]
        assert all(result.get(timeout=LONG)[0] == value for result in results)
        client.stop()


def test_a_server_that_comes_back(
    identity: TLSIdentity, new_secure_client: Callable[..., KazooClient], handler: Handler
) -> None:
    with new_server(identity) as server:
        # The same host several times: `own_client` in the tests of sessions says why.
        client = new_secure_client(",".join([server.secure_hosts] * 5), handler=handler)
        client.start()
        client.create("/node")
        session = client.client_id
        states, links = Recorder(handler), Recorder(handler)
        client.add_listener(states)

        freeze(handler, server)
        results = many_requests(client)
        for result in results:
            result.link(links)
        assert not any(result.ready() for result in results)
        os.kill(server.pid, signal.SIGKILL)
        server.stop()
        states.wait_for(KazooState.SUSPENDED)
        assert assert_all_end(results) == IN_FLIGHT
        links.wait_until(lambda: len(links.calls) == IN_FLIGHT)

        later = many_requests(client)
        server.start()
        states.wait_for(KazooState.CONNECTED)
        assert_all_end(later)
        assert_all_end(many_requests(client))
        assert client.get("/node")[1].version > 0
        assert client.client_id == session
        client.stop()


def test_the_name_is_checked_as_the_client_was_given_it(
    authority: Authority,
    new_secure_client: Callable[..., KazooClient],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The client checks the name only if it is told to: kazoo's own default is not to."""
    with new_server(TLSIdentity(*authority.issue("localhost"))) as server:
        client = new_secure_client(f"localhost:{server.secure_port}")
        client.start()
        assert client.exists("/")
        client.stop()
        client = new_secure_client(server.secure_hosts, check_hostname=False)
        client.start()
        assert client.exists("/")
        client.stop()
        client = new_secure_client(server.secure_hosts)
        assert_refused(client, caplog, "certificate verify failed: IP address mismatch")


def test_an_expired_certificate(
    authority: Authority,
    new_secure_client: Callable[..., KazooClient],
    caplog: pytest.LogCaptureFixture,
) -> None:
    identity = TLSIdentity(*authority.issue("127.0.0.1", expired=True))
    with new_server(identity) as server:
        client = new_secure_client(server.secure_hosts)
        assert_refused(client, caplog, "certificate verify failed: certificate has expired")


def test_an_unknown_authority(
    secure_server: ZooKeeperServer,
    new_secure_client: Callable[..., KazooClient],
    tmp_path_factory: pytest.TempPathFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = Authority(tmp_path_factory.mktemp("other"), "other")
    hosts = secure_server.secure_hosts
    # A certificate without a known authority is refused, whether its name is checked or not.
    client = new_secure_client(hosts, ca=other.certificate, check_hostname=False)
    assert_refused(client, caplog, "certificate verify failed: unable to get local issuer")
    client = new_secure_client(
        hosts, ca=other.certificate, verify_certs=False, check_hostname=False
    )
    client.start()
    assert client.exists("/")


def test_a_server_that_asks_for_a_certificate(
    authority: Authority,
    identity: TLSIdentity,
    new_secure_client: Callable[..., KazooClient],
    caplog: pytest.LogCaptureFixture,
) -> None:
    identity = dataclasses.replace(identity, client_ca=authority.certificate)
    certfile, keyfile = authority.issue("client", password=b"secret")
    with new_server(identity) as server:
        client = new_secure_client(
            server.secure_hosts,
            certfile=certfile,
            keyfile=keyfile,
            keyfile_password="secret",
        )
        client.start()
        assert client.exists("/")
        client.stop()
        client = new_secure_client(server.secure_hosts)
        # The second one is what the TLS of Java 25 sends.
        assert_refused(client, caplog, "alert bad certificate", "alert handshake failure")


def test_a_plain_client_at_the_port_for_tls(
    secure_server: ZooKeeperServer,
    new_client: Callable[..., KazooClient],
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = new_client(secure_server.secure_hosts)
    assert_refused(client, caplog, "Connection dropped: socket connection")


@pytest.mark.parametrize("name", ["server", "secure_server"])
def test_a_client_with_tls_at_the_plain_port(
    name: str,
    new_secure_client: Callable[..., KazooClient],
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The server has TLS or not. A server without TLS has other code for its plain port."""
    client = new_secure_client(request.getfixturevalue(name).hosts)
    assert_refused(client, caplog, "Connection dropped: socket connection error")
