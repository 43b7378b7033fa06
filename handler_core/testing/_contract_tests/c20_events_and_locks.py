"""C20: events and locks."""

from __future__ import annotations

import time
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite
from handler_core.testing._time_limits import LONG

__all__ = ["EventAndLockTests"]


class EventAndLockTests(Suite):
    """C20: events and locks."""

    def test_c20_events(self, idle: Handler) -> None:
        """Events behave as those of ``threading``, and a wait lets other tasks run."""
        event = idle.event_object()
        assert not event.is_set()
        begun = time.monotonic()
        assert event.wait(0.01) is False
        assert time.monotonic() - begun >= 0.01
        idle.spawn(event.set)
        assert self.woken(lambda timeout: event.wait(timeout=timeout)) is True
        assert event.is_set()
        assert event.wait() is True
        event.clear()
        assert not event.is_set()
        for over in (0, -1):
            assert event.wait(over) is False

    def test_c20_events_wake_all(self, idle: Handler) -> None:
        """An event wakes every task that has begun to wait, however many there are."""
        event = idle.event_object()
        waiting: list[int] = []
        seen: list[bool] = []

        def wait() -> None:
            waiting.append(1)
            seen.append(event.wait(LONG))

        tasks = [idle.spawn(wait) for _ in range(100)]
        self.until(idle, lambda: len(waiting) == 100)
        idle.sleep_func(0.01)
        event.set()
        self.ended(*tasks)
        assert seen == [True] * 100

    def test_c20_an_event_that_is_set_and_cleared_wakes_who_waits(self, idle: Handler) -> None:
        """The set wakes, even if no task has run before the clear."""
        event = idle.event_object()
        waiting: list[int] = []
        seen: list[bool] = []

        def wait() -> None:
            waiting.append(1)
            seen.append(self.woken(event.wait))

        task = idle.spawn(wait)
        self.until(idle, lambda: bool(waiting))
        idle.sleep_func(0.05)  # time for it to park
        event.set()
        event.clear()
        self.ended(task)
        assert seen == [True]

    @pytest.mark.parametrize("reentrant", [False, True], ids=["lock", "rlock"])
    def test_c20_locks(self, idle: Handler, reentrant: bool) -> None:
        """A lock keeps others out, with ``blocking``, ``timeout`` and ``with``."""
        lock: Any = idle.rlock_object() if reentrant else idle.lock_object()
        seen: list[Any] = []

        def other() -> None:
            seen.append(lock.acquire(blocking=False))
            seen.append(lock.acquire(False))
            self.not_early(lambda timeout: seen.append(lock.acquire(True, timeout)))
            seen.append(lock.acquire(blocking=True, timeout=0.01))
            with lock:
                seen.append("inside")

        with lock:
            task = idle.spawn(other)
            self.until(idle, lambda: len(seen) == 4)
            assert task.is_alive()
            assert seen == [False] * 4
            assert bool(lock.acquire(blocking=False)) is reentrant
            if reentrant:
                assert lock.acquire(blocking=True, timeout=-1)
                lock.release()
                lock.release()
        self.ended(task)
        assert seen[4:] == ["inside"]
        assert lock.acquire(timeout=-1)
        lock.release()
        with pytest.raises(RuntimeError):
            lock.release()

    @pytest.mark.parametrize("reentrant", [False, True], ids=["lock", "rlock"])
    def test_c20_who_may_release_a_lock(self, idle: Handler, reentrant: bool) -> None:
        """Any task may release a lock, but only the owner may release a reentrant one."""
        lock: Any = idle.rlock_object() if reentrant else idle.lock_object()
        refused: list[bool] = []

        def release() -> None:
            try:
                lock.release()
            except RuntimeError:
                refused.append(True)
            else:
                refused.append(False)

        lock.acquire()
        self.ended(idle.spawn(release))
        assert refused == [reentrant]
        if not reentrant:
            assert lock.acquire(blocking=False)
        lock.release()

    @pytest.mark.parametrize("reentrant", [False, True])
    def test_c20_a_lock_between_threads(self, idle: Handler, reentrant: bool) -> None:
        """A task waits for a lock that an OS thread holds, and the other way round."""
        lock = idle.rlock_object() if reentrant else idle.lock_object()
        for holder, other in (("a task", "an OS thread"), ("an OS thread", "a task")):
            held, waits, got = (idle.event_object() for _ in range(3))

            def hold(held: Any = held, waits: Any = waits) -> None:
                with lock:
                    held.set()
                    self.happens(waits)

            def take(held: Any = held, waits: Any = waits, got: Any = got) -> None:
                self.happens(held)
                assert not lock.acquire(timeout=0.001)
                waits.set()
                with lock:
                    got.set()

            joins = [self.run_in(holder, idle, hold), self.run_in(other, idle, take)]
            self.happens(got)
            for join in joins:
                join()

    def test_c20_a_lock_is_handed_on(self, idle: Handler) -> None:
        """Many tasks hold it, one at a time."""
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
