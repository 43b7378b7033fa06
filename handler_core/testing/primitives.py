"""C20: events, locks, queues, sleep and spawn."""

from __future__ import annotations

import time
import warnings
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing.suite import LONG, Suite

__all__ = ["PrimitiveTests"]


class PrimitiveTests(Suite):
    """C20 of the contract."""

    def test_c20_events(self, idle: Handler) -> None:
        """As those of ``threading``; waiting lets other tasks run."""
        event = idle.event_object()
        assert not event.is_set()
        begun = time.monotonic()
        assert not event.wait(0.01)
        assert time.monotonic() - begun >= 0.01
        idle.spawn(event.set)
        assert self.woken(lambda timeout: event.wait(timeout=timeout))
        assert event.is_set()
        assert event.wait()
        event.clear()
        assert not event.is_set()
        assert not event.wait(0)

    def test_c20_events_wake_all(self, idle: Handler) -> None:
        """Each of their waiters."""
        event = idle.event_object()
        seen: list[bool] = []
        tasks = [idle.spawn(lambda: seen.append(event.wait(LONG))) for _ in range(10)]
        idle.sleep_func(0.01)
        event.set()
        self.ended(*tasks)
        assert seen == [True] * 10

    @pytest.mark.parametrize("reentrant", [False, True], ids=["lock", "rlock"])
    def test_c20_locks(self, idle: Handler, reentrant: bool) -> None:
        """They keep others out, with ``blocking``, ``timeout`` and ``with``."""
        lock: Any = idle.rlock_object() if reentrant else idle.lock_object()
        seen: list[Any] = []

        def other() -> None:
            seen.append(lock.acquire(blocking=False))
            seen.append(lock.acquire(False))
            seen.append(lock.acquire(blocking=True, timeout=0.01))
            with lock:
                seen.append("inside")

        with lock:
            task = idle.spawn(other)
            self.until(idle, lambda: len(seen) == 3)
            assert task.is_alive()
            assert seen == [False] * 3
            if reentrant:
                assert lock.acquire(blocking=True, timeout=-1)
                lock.release()
        self.ended(task)
        assert seen[3:] == ["inside"]
        assert lock.acquire(timeout=-1)
        lock.release()
        with pytest.raises(RuntimeError):
            lock.release()

    def test_c20_a_lock_is_handed_on(self, idle: Handler) -> None:
        """Many tasks, one at a time."""
        lock = idle.lock_object()
        inside: list[int] = []
        most: list[int] = []

        def work() -> None:
            for _ in range(10):
                with lock:
                    inside.append(1)
                    idle.sleep_func(0)
                    most.append(len(inside))
                    inside.pop()

        tasks = [idle.spawn(work) for _ in range(5)]
        self.ended(*tasks)
        assert most == [1] * 50

    def test_c20_queues(self, idle: Handler) -> None:
        """As ``queue.Queue``; waiting lets other tasks run."""
        queue = idle.queue_impl()
        with pytest.raises(idle.queue_empty):
            queue.get_nowait()
        with pytest.raises(idle.queue_empty):
            queue.get(block=True, timeout=0.01)
        idle.spawn(lambda: [queue.put(number) for number in range(3)])
        got = [self.woken(lambda timeout: queue.get(timeout=timeout)) for _ in range(3)]
        assert got == [0, 1, 2]
        assert queue.empty()
        assert queue.qsize() == 0
        with warnings.catch_warnings():  # gevent once had another idea of a queue of size 0
            warnings.simplefilter("ignore", DeprecationWarning)
            unlimited = idle.queue_impl(0)
        unlimited.put_nowait(1)
        unlimited.put_nowait(2)
        assert [unlimited.get_nowait(), unlimited.get_nowait()] == [1, 2]

    def test_c20_sleep(self, idle: Handler) -> None:
        """Not short, and other tasks run meanwhile."""
        ran: list[int] = []
        idle.spawn(ran.append, 1)
        begun = time.monotonic()
        idle.sleep_func(0.05)
        assert time.monotonic() - begun >= 0.049  # the clock of sleep may be another one
        assert ran == [1]

    def test_c20_spawn(self, idle: Handler) -> None:
        """Returns at once an object with ``join`` and ``is_alive``."""
        gate = idle.event_object()
        seen: list[Any] = []

        def work(*args: Any, **kwargs: Any) -> None:
            gate.wait(LONG)
            seen.append((args, kwargs))

        task = idle.spawn(work, 1, 2, three=3)
        assert task.is_alive()
        task.join(timeout=0.01)
        assert task.is_alive()
        gate.set()
        task.join()
        assert not task.is_alive()
        assert seen == [((1, 2), {"three": 3})]

    def test_c20_spawn_from_any_thread(self, idle: Handler) -> None:
        """Before the start, and after the thread that has started the handler has ended."""
        ran: list[str] = []

        def spawn(name: str) -> None:
            task = idle.spawn(ran.append, name)
            task.join(LONG)
            assert not task.is_alive()

        self.os_thread(spawn, "before").result(idle)
        self.os_thread(idle.start).result(idle)
        self.os_thread(spawn, "after").result(idle)
        assert ran == ["before", "after"]

    def test_c20_they_work_whether_the_handler_runs_or_not(self, idle: Handler) -> None:
        """A client stops its handler before its own loop has ended."""

        def use() -> None:
            event = idle.event_object()
            result = idle.async_result()
            idle.spawn(event.set)
            idle.spawn(result.set, 1)
            self.happens(event)
            assert self.woken(lambda timeout: result.get(timeout=timeout)) == 1
            first, second = idle.create_socket_pair()
            with first, second:
                idle.spawn(first.send, b"x")
                assert self.select(idle, [second], [], [])[0] == [second]
                assert second.recv(1) == b"x"
            idle.sleep_func(0)

        use()
        idle.start()
        use()
        idle.stop()
        use()

    def test_c20_a_handler_is_true(self, idle: Handler) -> None:
        """Clients write ``handler or default()``."""
        assert bool(idle) is True
