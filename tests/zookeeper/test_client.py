"""The client's basic operations."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import (
    BadVersionError,
    ConfigurationError,
    ConnectionClosedError,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.protocol.states import KazooState
from kazoo.retry import ForceRetryError, KazooRetry, RetryFailedError
from kazoo.security import make_digest_acl

from handler_core import Handler
from handler_core.testing import ZooKeeperServer

from .support import LONG, Recorder, eventually, in_background


def test_connect_and_stop(
    server: ZooKeeperServer, new_client: Callable[..., KazooClient], handler: Handler
) -> None:
    client = new_client(handler=handler)
    states = Recorder(handler)
    client.add_listener(states)
    client.start()
    assert client.connected
    assert handler.running
    client.start()
    client.stop()
    assert not client.connected
    assert not handler.running
    assert states.calls == [KazooState.CONNECTED, KazooState.LOST]
    with pytest.raises(ConnectionClosedError):
        client.get("/")
    client.restart()
    assert client.exists("/")


def test_a_closed_client_leaves_nothing(
    server: ZooKeeperServer, new_handler: Callable[[], Handler]
) -> None:
    def use_one() -> None:
        client = KazooClient(server.hosts, handler=new_handler())
        client.start()
        client.exists("/", watch=lambda event: None)
        linked = client.handler.event_object()
        client.exists_async("/").link(lambda result: linked.set())
        assert linked.wait(LONG)
        client.stop()
        client.close()

    def open_now() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    use_one()  # the model now makes what it makes once, such as its hub
    before = open_now()
    for _ in range(10):
        use_one()
    # A joined thread stays in the system's list for a moment.
    eventually(new_handler(), lambda: all(map(operator.le, open_now(), before)))


def test_create_get_set_delete(client: KazooClient, path: str) -> None:
    assert client.exists(path) is None
    assert client.create(path, b"one") == path
    data, stat = client.get(path)
    assert (data, stat.version) == (b"one", 0)
    assert client.set(path, b"two").version == 1
    assert client.get(path)[0] == b"two"
    assert client.exists(path).dataLength == 3
    client.delete(path)
    assert client.exists(path) is None


def test_makepath_ensure_path_and_children(client: KazooClient, path: str) -> None:
    client.create(f"{path}/a/b", b"deep", makepath=True)
    assert client.ensure_path(f"{path}/c/d")
    assert client.ensure_path(f"{path}/c/d")
    assert sorted(client.get_children(path)) == ["a", "c"]
    names = [client.create(f"{path}/item-", sequence=True) for _ in range(3)]
    assert names == [f"{path}/item-{number:010d}" for number in (2, 3, 4)]
    client.delete(path, recursive=True)
    assert not client.exists(path)


def test_errors_come_back_as_exceptions(client: KazooClient, path: str) -> None:
    with pytest.raises(NoNodeError):
        client.get(path)
    with pytest.raises(NoNodeError):
        client.create(f"{path}/child")
    client.create(f"{path}/child", makepath=True)
    with pytest.raises(NodeExistsError):
        client.create(path)
    with pytest.raises(NotEmptyError):
        client.delete(path)
    with pytest.raises(BadVersionError):
        client.set(path, b"", version=7)
    result = client.get_async(f"{path}/none")
    with pytest.raises(NoNodeError):
        result.get(timeout=LONG)
    assert result.ready()
    assert not result.successful()
    assert isinstance(result.exception, NoNodeError)


def test_access_control(
    client: KazooClient, new_client: Callable[..., KazooClient], path: str
) -> None:
    client.add_auth("digest", "user:password")
    client.create(path, b"secret", acl=[make_digest_acl("user", "password", all=True)])
    assert client.get(path)[0] == b"secret"
    stranger = new_client()
    stranger.start()
    with pytest.raises(NoAuthError):
        stranger.get(path)
    client.delete(path)


def test_transaction(client: KazooClient, path: str) -> None:
    with client.transaction() as transaction:
        transaction.create(path, b"one")
        transaction.set_data(path, b"two")
        transaction.create(f"{path}/child")
    assert client.get(path)[0] == b"two"
    assert client.get_children(path) == ["child"]

    transaction = client.transaction()
    transaction.delete(f"{path}/child")
    transaction.check(path, version=99)
    transaction.delete(path)
    rolled_back, failed, skipped = transaction.commit()
    assert isinstance(rolled_back, RolledBackError)
    assert isinstance(failed, BadVersionError)
    assert isinstance(skipped, RuntimeInconsistency)
    assert client.get_children(path) == ["child"]


def test_a_value_of_nearly_a_megabyte(client: KazooClient, path: str) -> None:
    value = bytes(range(256)) * 3_900
    client.create(path, value)
    results = [client.get_async(path) for _ in range(10)]
    assert all(result.get(timeout=LONG)[0] == value for result in results)


def test_chroot(
    client: KazooClient, server: ZooKeeperServer, new_client: Callable[..., KazooClient], path: str
) -> None:
    client.create(path)
    rooted = new_client(server.hosts + path)
    rooted.start()
    assert rooted.create("/inside", b"value") == "/inside"
    assert rooted.create_async("/inside/child").get(timeout=LONG) == "/inside/child"
    assert rooted.get_children("/") == ["inside"]
    assert client.get(f"{path}/inside")[0] == b"value"
    with rooted.transaction() as transaction:
        transaction.create("/other")
    assert client.exists(f"{path}/other")


def test_commands(client: KazooClient) -> None:
    assert client.command(b"ruok") == "imok"
    described = client.command(b"srvr")
    assert "Mode: standalone" in described
    version = ".".join(map(str, client.server_version()))
    assert described.startswith(f"Zookeeper version: {version}-")


def test_a_dead_host_in_the_list_is_passed_over(
    server: ZooKeeperServer, new_client: Callable[..., KazooClient]
) -> None:
    client = new_client(f"127.0.0.1:1,{server.hosts}", randomize_hosts=False)
    client.start()
    assert client.exists("/")


def test_no_server_is_a_timeout(new_client: Callable[..., KazooClient], handler: Handler) -> None:
    client = new_client("127.0.0.1:1", handler=handler)
    with pytest.raises(handler.timeout_exception):
        client.start(timeout=0.5)
    assert not handler.running


def test_links_are_called_once_and_in_order(
    client: KazooClient, handler: Handler, path: str
) -> None:
    client.create(path)
    links = Recorder(handler)
    count = 500
    results = []
    for number in range(count):
        # The result of a creation comes by a link of kazoo's own. The other request is a plain one.
        request = client.create_async if number % 2 else client.exists_async
        result = request(f"{path}/{number}")
        result.rawlink(lambda _, number=number: links(number))
        results.append(result)
    links.wait_until(lambda: len(links.calls) == count)
    assert all(result.ready() for result in results)
    # Each kind is in the order of its requests.
    assert [number for number in links.calls if number % 2] == list(range(1, count, 2))
    assert [number for number in links.calls if not number % 2] == list(range(0, count, 2))
    late = Recorder(handler)
    results[1].link(late)
    late.wait_for(results[1])
    assert results[1].value == f"{path}/1"
    assert len(links.calls) == count


def test_a_link_may_wait_for_another_request(
    client: KazooClient, handler: Handler, path: str
) -> None:
    seen = Recorder(handler)
    client.create_async(path, b"value").link(lambda result: seen(client.get(result.get())[0]))
    seen.wait_for(b"value")


def test_one_client_for_many_tasks(client: KazooClient, handler: Handler, path: str) -> None:
    client.create(path)

    def work(task: int) -> int:
        for turn in range(25):
            node = f"{path}/{task}-{turn}"
            client.create(node, str(turn).encode())
            assert client.get(node)[0] == str(turn).encode()
            client.set(node, b"done")
        return task

    results = [in_background(handler, work, task) for task in range(20)]
    assert [result.get(timeout=LONG) for result in results] == list(range(20))
    children = client.get_children(path)
    assert len(children) == 500
    reads = [client.get_async(f"{path}/{child}") for child in children]
    assert {read.get(timeout=LONG)[0] for read in reads} == {b"done"}


def test_retry_policy_with_the_sleep_of_the_handler(
    new_client: Callable[..., KazooClient], handler: Handler
) -> None:
    def policy() -> KazooRetry:
        return KazooRetry(max_tries=3, delay=0.01, sleep_func=handler.sleep_func)

    client = new_client(handler=handler, connection_retry=policy(), command_retry=policy())
    client.start()
    tries = []

    def fails(times: int) -> str:
        tries.append(times)
        if len(tries) <= times:
            raise ForceRetryError
        return "done"

    assert client.retry(fails, 2) == "done"
    tries.clear()
    with pytest.raises(RetryFailedError):
        client.retry(fails, 3)
    assert len(tries) == 3


def test_retry_policy_with_another_sleep_is_refused(
    new_client: Callable[..., KazooClient],
) -> None:
    def sleep(seconds: float) -> None:
        raise AssertionError

    with pytest.raises(ConfigurationError, match="sleep func"):
        new_client(command_retry=KazooRetry(sleep_func=sleep))
