"""C20: sleep and spawn, and other tasks during a wait."""

from __future__ import annotations

import queue as standard
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite
from handler_core.testing._time_limits import LIMIT, LONG

__all__ = ["TaskTests"]


class TaskTests(Suite):
    """C20: sleep, spawn, and other tasks during a wait."""

    @pytest.mark.parametrize("name", ["event", "lock", "rlock", "join", "get", "put"])
    def test_c20_others_run_during_a_timed_wait(self, idle: Handler, name: str) -> None:
        """They run as they do during a wait that something ends."""
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
        """It is not too short, and other tasks run meanwhile."""
        ran: list[int] = []
        idle.spawn(ran.append, 1)
        begun = time.monotonic()
        idle.sleep_func(0.05)
        assert time.monotonic() - begun >= 0.049  # sleep may use another clock
        assert ran == [1]

    def test_c20_sleep_is_one_function(self, idle: Handler) -> None:
        """Every handler has the same one. Clients compare it with that of their retry policy."""
        assert idle.sleep_func == self.make_handler().sleep_func

    def test_c20_spawn(self, idle: Handler) -> None:
        """It returns an object with ``join`` and ``is_alive`` at once."""
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
        """The library reports it in its own way: a hook, a log, or standard error."""
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
        """It works before the start, and after the thread that started the handler has ended."""
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
