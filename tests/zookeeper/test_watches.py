"""Watches: the plain ones, and the recipes that set them again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kazoo.client import KazooClient
from kazoo.protocol.states import EventType, WatchedEvent
from kazoo.recipe.cache import TreeCache, TreeEvent

from handler_core import Handler

from .support import LONG, Recorder


def test_a_watch_is_called_once(client: KazooClient, handler: Handler, path: str) -> None:
    events = Recorder(handler)
    client.exists(path, watch=events)
    client.create(path)
    events.wait_until(lambda: len(events.calls) == 1)
    client.get(path, watch=events)
    client.set(path, b"1")
    client.set(path, b"2")
    events.wait_until(lambda: len(events.calls) == 2)
    client.get_children(path, watch=events)
    client.create(f"{path}/child")
    events.wait_until(lambda: len(events.calls) == 3)
    client.exists(f"{path}/child", watch=events)
    client.delete(f"{path}/child")
    events.wait_until(lambda: len(events.calls) == 4)
    kinds = [EventType.CREATED, EventType.CHANGED, EventType.CHILD, EventType.DELETED]
    assert [event.type for event in events.calls] == kinds
    assert [event.path for event in events.calls] == [path, path, path, f"{path}/child"]


def test_watches_are_called_one_at_a_time_and_in_order(
    client: KazooClient, handler: Handler, path: str
) -> None:
    client.create(path)
    seen = Recorder(handler)
    running = []

    def watch(event: object) -> None:
        running.append(event)
        handler.sleep_func(0.001)
        seen((event.path, len(running)))
        running.pop()

    nodes = [f"{path}/{number}" for number in range(50)]
    for node in nodes:
        client.exists(node, watch=watch)
    for node in nodes:
        client.create_async(node)
    seen.wait_until(lambda: len(seen.calls) == len(nodes))
    assert seen.calls == [(node, 1) for node in nodes]


def test_a_watch_may_ask_the_server(client: KazooClient, handler: Handler, path: str) -> None:
    client.create(path, b"old")
    values = Recorder(handler)

    def watch(event: WatchedEvent) -> None:
        if event.type == EventType.CHANGED:  # the client's end is an event too
            values(client.get(path, watch=watch)[0])

    client.get(path, watch=watch)
    client.set(path, b"new")
    values.wait_for(b"new")
    client.set(path, b"newer")
    values.wait_for(b"newer")


def test_an_error_in_a_watch_is_logged_and_harms_nobody(
    client: KazooClient, handler: Handler, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    client.create(path)
    events = Recorder(handler)

    def broken(event: object) -> None:
        raise ZeroDivisionError("in a watch")

    client.get(path, watch=broken)
    client.set(path, b"")
    client.get(path, watch=events)
    client.set(path, b"")
    events.wait_until(lambda: len(events.calls) == 1)
    record = next(record for record in caplog.records if record.name == "handler_core")
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    caplog.clear()


@pytest.mark.parametrize("origin", ["watch", "link"])
def test_stop_from_a_callback(
    client: KazooClient, handler: Handler, path: str, origin: str
) -> None:
    client.create(path)
    stopped = handler.event_object()

    def stop(_: object) -> None:
        client.stop()
        stopped.set()

    if origin == "watch":
        client.get(path, watch=stop)
        client.set_async(path, b"")
    else:
        client.get_async(path).link(stop)
    assert stopped.wait(LONG)
    assert not client.connected
    client.start()
    assert client.exists(path)


def test_restart_from_a_watch(client: KazooClient, handler: Handler, path: str) -> None:
    client.create(path)
    ended = Recorder(handler)

    def restart(_: object) -> None:
        client.restart()
        ended(client.exists(path) is not None)

    client.get(path, watch=restart)
    client.set_async(path, b"")
    ended.wait_for(True)
    events = Recorder(handler)
    client.get(path, watch=events)
    client.set(path, b"again")
    events.wait_until(lambda: len(events.calls) == 1)


def test_data_watch(client: KazooClient, handler: Handler, path: str) -> None:
    values = Recorder(handler)

    @client.DataWatch(path)
    def watch(data: bytes | None, stat: object) -> bool:
        values(data)
        return data != b"enough"

    assert values.calls == [None]
    client.create(path, b"first")
    values.wait_for(b"first")
    client.set(path, b"second")
    values.wait_for(b"second")
    client.delete(path)
    values.wait_until(lambda: len(values.calls) == 4)
    client.create(path, b"enough")
    values.wait_for(b"enough")
    after = Recorder(handler)
    client.get(path, watch=after)
    client.set(path, b"more")
    after.wait_until(lambda: len(after.calls) == 1)
    assert values.calls == [None, b"first", b"second", None, b"enough"]


def test_children_watch(client: KazooClient, handler: Handler, path: str) -> None:
    client.create(path)
    lists = Recorder(handler)

    @client.ChildrenWatch(path)
    def watch(children: list[str]) -> None:
        lists(sorted(children))

    assert lists.calls == [[]]
    client.create(f"{path}/a")
    lists.wait_for(["a"])
    client.create(f"{path}/b")
    lists.wait_for(["a", "b"])
    client.delete(f"{path}/a")
    lists.wait_for(["b"])
    assert lists.calls == [[], ["a"], ["a", "b"], ["b"]]


def test_tree_cache(
    client: KazooClient, new_client: Callable[..., KazooClient], handler: Handler, path: str
) -> None:
    writer = new_client()
    writer.start()
    writer.create(f"{path}/a/deep", b"1", makepath=True)
    events = Recorder(handler)
    faults = Recorder(handler)

    cache = TreeCache(client, path)
    cache.listen(
        lambda event: events((event.event_type, event.event_data and event.event_data.path))
    )
    cache.listen_fault(faults)
    cache.start()
    events.wait_for((TreeEvent.INITIALIZED, None))
    assert cache.get_data(f"{path}/a/deep").data == b"1"
    assert cache.get_children(path) == {"a"}

    writer.set(f"{path}/a/deep", b"2")
    events.wait_for((TreeEvent.NODE_UPDATED, f"{path}/a/deep"))
    assert cache.get_data(f"{path}/a/deep").data == b"2"
    writer.create(f"{path}/b")
    events.wait_for((TreeEvent.NODE_ADDED, f"{path}/b"))
    assert cache.get_children(path) == {"a", "b"}
    writer.delete(f"{path}/a/deep")
    events.wait_for((TreeEvent.NODE_REMOVED, f"{path}/a/deep"))
    assert cache.get_data(f"{path}/a/deep") is None
    cache.close()
    assert faults.calls == []
