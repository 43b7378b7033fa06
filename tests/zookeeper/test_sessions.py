"""Connections and sessions that are lost and come back."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, KazooException
from kazoo.protocol.states import EventType, KazooState

from handler_core import Handler
from handler_core.testing import ZooKeeperServer

from .support import (
    IN_FLIGHT,
    LONG,
    Recorder,
    assert_all_end,
    expire,
    freeze,
    in_background,
    many_requests,
)


@pytest.fixture
def own_client(
    own_server: ZooKeeperServer, new_client: Callable[..., KazooClient], handler: Handler
) -> KazooClient:
    """A client of ``own_server``, connected.

    A starting server listens for a moment before it has opened its database. A connection that
    comes in that moment is never answered nor closed (the log has a ``NullPointerException``). The
    client waits for the length of its session divided by the number of hosts. With a single host,
    its session would then be over.
    """
    client = new_client(",".join([own_server.hosts] * 5), handler=handler)
    client.start()
    return client


def test_an_expired_session_is_replaced(client: KazooClient, handler: Handler, path: str) -> None:
    states, events, values = Recorder(handler), Recorder(handler), Recorder(handler)
    lost = handler.event_object()
    client.create(path, b"old")
    client.create(f"{path}/ephemeral", ephemeral=True)
    client.get(path, watch=events)
    client.DataWatch(path, lambda data, stat: values(data))
    client.add_listener(states)
    client.add_listener(lambda state: lost.set() if state == KazooState.LOST else None)
    session = client.client_id

    expire(client, lost)
    states.wait_until(lambda: KazooState.CONNECTED in states.calls[states.calls.index("LOST") :])

    assert client.client_id != session
    assert not client.exists(f"{path}/ephemeral")
    # A plain watch is told of the loss, and of nothing afterwards. The recipe's watch goes on.
    events.wait_until(lambda: len(events.calls) == 1)
    assert events.calls[0].type == EventType.NONE
    client.set(path, b"new")
    values.wait_for(b"new")
    assert len(events.calls) == 1


def test_a_restarted_server_finds_its_session(
    own_client: KazooClient, own_server: ZooKeeperServer, handler: Handler
) -> None:
    states, values = Recorder(handler), Recorder(handler)
    own_client.create("/ephemeral", b"old", ephemeral=True)
    own_client.DataWatch("/ephemeral", lambda data, stat: values(data))
    own_client.add_listener(states)
    session = own_client.client_id

    for _ in range(2):
        states.calls.clear()
        own_server.stop()
        states.wait_for(KazooState.SUSPENDED)
        own_server.start()
        states.wait_for(KazooState.CONNECTED)
        assert states.calls == [KazooState.SUSPENDED, KazooState.CONNECTED]

    assert own_client.client_id == session
    own_client.set("/ephemeral", b"new")
    values.wait_for(b"new")


def test_a_server_that_hangs_is_noticed(
    own_server: ZooKeeperServer, new_client: Callable[..., KazooClient], handler: Handler
) -> None:
    client = new_client(own_server.hosts, handler=handler, timeout=2)
    client.start()
    states = Recorder(handler)
    client.add_listener(states)
    freeze(handler, own_server)
    try:
        result = client.get_async("/")
        with pytest.raises(handler.timeout_exception):
            result.get(timeout=0.1)
        with pytest.raises(TimeoutError):
            result.get(timeout=0.1)
        with pytest.raises(ConnectionLoss):
            result.get(timeout=LONG)
        states.wait_for(KazooState.SUSPENDED)
    finally:
        os.kill(own_server.pid, signal.SIGCONT)
    states.wait_for(KazooState.CONNECTED)
    assert client.exists("/")


def test_stop_while_there_is_no_server(
    own_client: KazooClient, own_server: ZooKeeperServer, handler: Handler
) -> None:
    states = Recorder(handler)
    own_client.add_listener(states)
    own_server.stop()
    states.wait_for(KazooState.SUSPENDED)
    links = Recorder(handler)
    results = [own_client.get_async("/") for _ in range(10)]
    for result in results:
        result.link(links)
    in_background(handler, own_client.stop).get(timeout=LONG)
    assert states.calls[-1] == KazooState.LOST
    links.wait_until(lambda: len(links.calls) == len(results))
    for result in results:
        assert isinstance(result.exception, KazooException)
    own_server.start()
    own_client.start()
    assert own_client.exists("/")


def test_attempts_to_reconnect_leave_no_descriptor_open(
    own_client: KazooClient,
    own_server: ZooKeeperServer,
    handler: Handler,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create_connection = handler.create_connection
    failures = Recorder(handler)

    def counting(*args: Any, **kwargs: Any) -> Any:
        try:
            return create_connection(*args, **kwargs)
        except OSError:
            failures(len(os.listdir("/proc/self/fd")))
            raise

    monkeypatch.setattr(handler, "create_connection", counting)
    own_server.stop()
    failures.wait_until(lambda: len(failures.calls) >= 20)
    assert len(set(failures.calls[10:20])) == 1
    own_server.start()
    assert own_client.retry(own_client.exists, "/")


def test_a_crash_of_the_server_ends_every_request_in_flight(
    own_client: KazooClient, own_server: ZooKeeperServer, handler: Handler
) -> None:
    """The server is frozen first, so it has answered none of the requests."""
    own_client.create("/node")
    states, links = Recorder(handler), Recorder(handler)
    own_client.add_listener(states)

    freeze(handler, own_server)
    results = many_requests(own_client)
    for result in results:
        result.link(links)
    assert len(results) == IN_FLIGHT
    assert not any(result.ready() for result in results)
    os.kill(own_server.pid, signal.SIGKILL)
    own_server.stop()

    states.wait_for(KazooState.SUSPENDED)
    assert assert_all_end(results) == IN_FLIGHT
    links.wait_until(lambda: len(links.calls) == IN_FLIGHT)
    assert set(links.calls) == set(results)

    # The client sends requests made meanwhile again, to the server that comes back.
    later = many_requests(own_client)
    own_server.start()
    states.wait_for(KazooState.CONNECTED)
    assert_all_end(later)
    assert later[1].value is not None
    assert_all_end(many_requests(own_client))
    assert own_client.get("/node")[1].version > 0


def test_a_restart_of_the_server_under_load(
    own_client: KazooClient, own_server: ZooKeeperServer, handler: Handler
) -> None:
    """Four tasks keep 1,000 requests in flight while the server is stopped and started."""
    own_client.create("/node")
    states = Recorder(handler)
    own_client.add_listener(states)
    enough = handler.event_object()

    def keep_asking() -> tuple[int, int]:
        asked = failed = 0
        while not enough.is_set():
            results = many_requests(own_client, IN_FLIGHT // 4)
            failed += assert_all_end(results)
            asked += len(results)
        return asked, failed

    tasks = [in_background(handler, keep_asking) for _ in range(4)]
    for _ in range(2):
        states.calls.clear()
        handler.sleep_func(0.2)
        own_server.stop()
        states.wait_for(KazooState.SUSPENDED)
        own_server.start()
        states.wait_for(KazooState.CONNECTED)
    enough.set()
    for task in tasks:
        asked, failed = task.get(timeout=2 * LONG)
        assert 0 < failed < asked
    assert own_client.exists("/node")


def test_stop_with_requests_in_flight(client: KazooClient, handler: Handler, path: str) -> None:
    client.create(path)
    links = Recorder(handler)
    results = [client.get_async(path) for _ in range(IN_FLIGHT)]
    for result in results:
        result.link(links)
    client.stop()
    assert_all_end(results)
    assert len(links.calls) == IN_FLIGHT
    assert set(links.calls) == set(results)
    client.start()
    assert client.exists(path)
