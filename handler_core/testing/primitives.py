"""C20: events, locks, queues, sleep and spawn."""

from __future__ import annotations

import queue as standard
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing.suite import LIMIT, LONG, Suite

__all__ = ["PrimitiveTests"]


class PrimitiveTests(Suite):
    """C20 of the contract."""

    def not_early(self, wait: Callable[[float], object]) -> None:
        """See that a wait that nothing ends lasts as long as it may."""
        begun = time.monotonic()
        wait(0.05)
        assert time.monotonic() - begun >= 0.049  # a library's clock may be another one

    def test_c20_events(self, idle: Handler) -> None:
        """As those of ``threading``; waiting lets other tasks run."""
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
        """Each of their waiters, of which there may be many: each has begun to run."""
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
        """Also where nobody has run meanwhile: to set it is what wakes."""
        event = idle.event_object()
        waiting: list[int] = []
        seen: list[bool] = []

        def wait() -> None:
            waiting.append(1)
            seen.append(self.woken(event.wait))

        task = idle.spawn(wait)
        self.until(idle, lambda: bool(waiting))
        idle.sleep_func(0.05)  # let it park
        event.set()
        event.clear()
        self.ended(task)
        assert seen == [True]

    @pytest.mark.parametrize("reentrant", [False, True], ids=["lock", "rlock"])
    def test_c20_locks(self, idle: Handler, reentrant: bool) -> None:
        """They keep others out, with ``blocking``, ``timeout`` and ``with``."""
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
        """Anybody; but one that can be taken twice is its owner's."""
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

        def get(timeout: float) -> None:
            with pytest.raises(idle.queue_empty):
                queue.get(timeout=timeout)

        self.not_early(get)
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

    def test_c20_a_full_queue(self, idle: Handler) -> None:
        """Takes no more, or waits until it can; so does ``queue.Queue``."""
        queue = idle.queue_impl(maxsize=1)
        queue.put(0)
        with pytest.raises(standard.Full):
            queue.put_nowait(1)
        with pytest.raises(standard.Full):
            queue.put(1, timeout=0.01)
        got: list[int] = []

        def get() -> None:
            idle.sleep_func(0.01)
            got.append(queue.get())

        task = idle.spawn(get)
        self.woken(lambda timeout: queue.put(1, timeout=timeout))
        self.ended(task)
        assert [*got, queue.get_nowait()] == [0, 1]

    @pytest.mark.parametrize("name", ["event", "lock", "rlock", "join", "get", "put"])
    def test_c20_others_run_during_a_timed_wait(self, idle: Handler, name: str) -> None:
        """As they do during one that something ends."""
        gate, event, lock, rlock = (
            idle.event_object(),
            idle.event_object(),
            idle.lock_object(),
            idle.rlock_object(),
        )
        empty, full = idle.queue_impl(), idle.queue_impl(1)
        full.put(0)
        lock.acquire()
        self.ended(idle.spawn(rlock.acquire))
        ticks: list[int] = []

        def tick() -> None:
            while not gate.is_set():
                ticks.append(1)
                idle.sleep_func(0.001)

        def get(timeout: float) -> None:
            with pytest.raises(idle.queue_empty):
                empty.get(timeout=timeout)

        def put(timeout: float) -> None:
            with pytest.raises(standard.Full):
                full.put(1, timeout=timeout)

        task = idle.spawn(tick)
        waits: dict[str, Callable[[float], object]] = {
            "event": event.wait,
            "lock": lambda timeout: lock.acquire(timeout=timeout),
            "rlock": lambda timeout: rlock.acquire(timeout=timeout),
            "join": task.join,
            "get": get,
            "put": put,
        }

        def others_ran() -> bool:
            before = len(ticks)
            self.not_early(waits[name])
            return len(ticks) - before > 1

        given_up = time.monotonic() + LIMIT
        try:
            while not others_ran():
                assert time.monotonic() < given_up, "while it waits, nobody else runs"
        finally:
            gate.set()
            self.ended(task)

    def test_c20_sleep(self, idle: Handler) -> None:
        """Not short, and other tasks run meanwhile."""
        ran: list[int] = []
        idle.spawn(ran.append, 1)
        begun = time.monotonic()
        idle.sleep_func(0.05)
        assert time.monotonic() - begun >= 0.049  # the clock of sleep may be another one
        assert ran == [1]

    def test_c20_sleep_is_one_function(self, idle: Handler) -> None:
        """Whichever handler is asked: clients compare it with the one of their retry policy."""
        assert idle.sleep_func == self.make_handler().sleep_func

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
        self.not_early(task.join)
        assert task.is_alive()
        gate.set()
        task.join()
        assert not task.is_alive()
        assert seen == [((1, 2), {"three": 3})]

    def test_c20_what_a_task_raises_is_reported(
        self,
        idle: Handler,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """In whatever way the library has: a hook, a log, or standard error."""
        reports: list[str] = []
        monkeypatch.setattr(
            threading, "excepthook", lambda args: reports.append(repr(args.exc_value))
        )

        def fail() -> None:
            raise ValueError("as planned")

        self.ended(idle.spawn(fail))

        def is_reported() -> bool:
            reports.extend((caplog.text, capfd.readouterr().err))
            return any("as planned" in report for report in reports)

        self.until(idle, is_reported)

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
