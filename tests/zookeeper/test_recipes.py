"""kazoo's recipes: locks, barriers, parties, queues and the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import CancelledError, LockTimeout

from handler_core import Handler

from .support import LONG, eventually, in_background


@pytest.fixture
def other(new_client: Callable[..., KazooClient]) -> KazooClient:
    """A second connected client, on a handler of its own."""
    client = new_client()
    client.start()
    return client


def test_lock_lets_one_in(
    client: KazooClient, other: KazooClient, handler: Handler, path: str
) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(zk: KazooClient, task: int) -> None:
        for _ in range(3):
            with zk.Lock(path, f"task {task}"):
                inside.append(task)
                handler.sleep_func(0.005)
                most.append(len(inside))
                inside.remove(task)

    results = [
        in_background(zk.handler, work, zk, task) for zk in (client, other) for task in range(3)
    ]
    for result in results:
        result.get(timeout=LONG)
    assert most == [1] * 18


def test_lock_contention(client: KazooClient, other: KazooClient, path: str) -> None:
    held, wanted = client.Lock(path, "holder"), other.Lock(path, "waiter")
    assert held.acquire(timeout=LONG)
    assert not wanted.acquire(blocking=False)
    with pytest.raises(LockTimeout):
        wanted.acquire(timeout=0.2)
    waiting = in_background(other.handler, wanted.acquire)
    eventually(other.handler, lambda: held.contenders() == ["holder", "waiter"])
    assert not waiting.ready()
    held.release()
    assert waiting.get(timeout=LONG) is True
    assert wanted.is_acquired
    assert not held.is_acquired
    wanted.release()


def test_lock_cancel(client: KazooClient, other: KazooClient, path: str) -> None:
    held, wanted = client.Lock(path, "holder"), other.Lock(path, "waiter")
    held.acquire()
    waiting = in_background(other.handler, wanted.acquire)
    eventually(other.handler, lambda: len(held.contenders()) == 2)
    wanted.cancel()
    with pytest.raises(CancelledError):
        waiting.get(timeout=LONG)
    assert held.contenders() == ["holder"]
    held.release()
    assert wanted.acquire(timeout=LONG)


def test_lock_is_free_when_its_holder_goes(
    client: KazooClient, other: KazooClient, path: str
) -> None:
    client.Lock(path).acquire()
    wanted = other.Lock(path)
    waiting = in_background(other.handler, wanted.acquire)
    client.stop()
    assert waiting.get(timeout=LONG) is True


def test_one_lock_object_for_many_tasks(client: KazooClient, handler: Handler, path: str) -> None:
    lock = client.Lock(path)
    log: list[str] = []

    def work() -> None:
        assert lock.acquire(timeout=LONG)
        log.append("in")
        handler.sleep_func(0.005)
        log.append("out")
        lock.release()

    results = [in_background(handler, work) for _ in range(4)]
    for result in results:
        result.get(timeout=LONG)
    assert log == ["in", "out"] * 4


def test_read_and_write_locks(client: KazooClient, other: KazooClient, path: str) -> None:
    readers = [client.ReadLock(path, "reader"), other.ReadLock(path, "reader")]
    writer = client.WriteLock(path, "writer")
    assert all(reader.acquire(timeout=LONG) for reader in readers)
    assert not writer.acquire(blocking=False)
    waiting = in_background(client.handler, writer.acquire)
    eventually(client.handler, lambda: "writer" in writer.contenders())
    for reader in readers:
        assert not waiting.ready()
        reader.release()
    assert waiting.get(timeout=LONG) is True
    with pytest.raises(LockTimeout):
        readers[1].acquire(timeout=0.2)
    writer.release()
    assert readers[1].acquire(timeout=LONG)


def test_semaphore(client: KazooClient, other: KazooClient, path: str) -> None:
    first, second, third = (
        zk.Semaphore(path, name, max_leases=2)
        for zk, name in ((client, "first"), (other, "second"), (other, "third"))
    )
    assert first.acquire()
    assert second.acquire()
    assert sorted(first.lease_holders()) == ["first", "second"]
    assert not third.acquire(blocking=False)
    with pytest.raises(LockTimeout):
        third.acquire(timeout=0.2)
    waiting = in_background(other.handler, third.acquire)
    eventually(client.handler, lambda: bool(client.get_children(third.lock_path)))
    assert not waiting.ready()
    first.release()
    assert waiting.get(timeout=LONG) is True
    assert sorted(first.lease_holders()) == ["second", "third"]
    with pytest.raises(ValueError, match="Inconsistent max leases"):
        client.Semaphore(path, max_leases=5).acquire()


def test_election(client: KazooClient, other: KazooClient, path: str) -> None:
    leading = client.handler.event_object()
    step_down = client.handler.event_object()
    log: list[str] = []

    def lead(name: str) -> None:
        log.append(name)
        leading.set()
        assert step_down.wait(LONG)

    first, second, third = (
        client.Election(path, "1"),
        other.Election(path, "2"),
        other.Election(path, "3"),
    )
    reigns = [in_background(client.handler, first.run, lead, "first")]
    assert leading.wait(LONG)
    reigns.append(in_background(other.handler, second.run, lead, "second"))
    eventually(other.handler, lambda: len(first.contenders()) == 2)
    reigns.append(in_background(other.handler, third.run, lead, "third"))
    eventually(other.handler, lambda: first.contenders() == ["1", "2", "3"])
    second.cancel()
    reigns[1].get(timeout=LONG)
    assert log == ["first"]
    step_down.set()
    reigns[0].get(timeout=LONG)
    reigns[2].get(timeout=LONG)
    assert log == ["first", "third"]


def test_barrier(client: KazooClient, other: KazooClient, path: str) -> None:
    barrier = client.Barrier(path)
    assert barrier.wait(timeout=LONG)
    barrier.create()
    assert not other.Barrier(path).wait(timeout=0.1)
    waiting = [in_background(other.handler, other.Barrier(path).wait) for _ in range(3)]
    assert barrier.remove()
    assert [result.get(timeout=LONG) for result in waiting] == [True] * 3
    assert not barrier.remove()


def test_double_barrier(client: KazooClient, other: KazooClient, path: str) -> None:
    client.create(path)
    log: list[str] = []

    def work(zk: KazooClient) -> bool:
        barrier = zk.DoubleBarrier(path, num_clients=3)
        log.append("before")
        barrier.enter()
        entered = barrier.participating
        log.append("inside")
        barrier.leave()
        log.append("after")
        return entered

    results = [in_background(zk.handler, work, zk) for zk in (client, other)]
    eventually(client.handler, lambda: len(client.get_children(path)) == 2)
    assert log == ["before"] * 2
    results.append(in_background(client.handler, work, client))
    assert [result.get(timeout=LONG) for result in results] == [True] * 3
    assert log == ["before"] * 3 + ["inside"] * 3 + ["after"] * 3


@pytest.mark.parametrize("kind", ["Party", "ShallowParty"])
def test_party(client: KazooClient, other: KazooClient, path: str, kind: str) -> None:
    first = getattr(client, kind)(path, "first")
    second = getattr(other, kind)(path, "second")
    assert len(first) == 0
    first.join()
    second.join()
    second.join()
    assert sorted(first) == ["first", "second"]
    assert len(second) == 2
    first.leave()
    assert list(second) == ["second"]
    other.stop()
    assert len(first) == 0


def test_queue(client: KazooClient, other: KazooClient, path: str) -> None:
    queue = client.Queue(path)
    assert queue.get() is None
    queue.put(b"last", priority=200)
    queue.put(b"normal 1")
    queue.put(b"normal 2")
    queue.put(b"first", priority=1)
    assert len(queue) == 4
    reader = other.Queue(path)
    assert [reader.get() for _ in range(5)] == [b"first", b"normal 1", b"normal 2", b"last", None]


def test_locking_queue(client: KazooClient, other: KazooClient, path: str) -> None:
    queue, rival = client.LockingQueue(path), other.LockingQueue(path)
    assert queue.get(timeout=0.1) is None
    queue.put_all([b"one", b"two"])
    assert queue.get(timeout=LONG) == b"one"
    assert queue.holds_lock()
    assert rival.get(timeout=LONG) == b"two"
    assert queue.consume()
    assert rival.release()
    assert queue.get(timeout=LONG) == b"two"
    assert queue.consume()
    assert not queue.consume()
    assert len(queue) == 0
    # A task waits before there is an item. A watch then asks the server, and finds the item.
    waiting = in_background(other.handler, rival.get)
    assert not waiting.wait(0.2)
    queue.put(b"three")
    assert waiting.get(timeout=LONG) == b"three"
    assert rival.consume()


def test_counter(client: KazooClient, other: KazooClient, path: str) -> None:
    def count(zk: KazooClient) -> None:
        counter = zk.Counter(path)
        for _ in range(10):
            counter += 1

    results = [in_background(zk.handler, count, zk) for zk in (client, other) for _ in range(2)]
    for result in results:
        result.get(timeout=LONG)
    counter = client.Counter(path)
    assert counter.value == 40
    counter -= 2
    assert (counter.pre_value, counter.post_value) == (40, 38)


def test_set_partitioner(
    client: KazooClient, other: KazooClient, handler: Handler, path: str
) -> None:
    items = ("a", "b", "c", "d", "e")

    def join(zk: KazooClient, name: str) -> object:
        return zk.SetPartitioner(path, items, identifier=name, time_boundary=0.2)

    def shared_out(*members: object) -> bool:
        for member in members:
            assert not member.failed
            if member.release:
                member.release_set()
        parts = [list(member) if member.acquired else [] for member in members]
        return all(parts) and sorted(itertools.chain(*parts)) == list(items)

    first = join(client, "first")
    first.wait_for_acquire(LONG)
    assert first.acquired
    assert sorted(first) == list(items)

    second = join(other, "second")
    eventually(handler, lambda: shared_out(first, second))
    assert list(first) == ["a", "c", "e"]
    assert list(second) == ["b", "d"]

    first.finish()
    assert first.failed
    eventually(handler, lambda: shared_out(second))
    second.finish()
