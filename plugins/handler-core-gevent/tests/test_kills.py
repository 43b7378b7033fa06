"""Kills, timeouts and exits: what they do to a worker."""

from __future__ import annotations

import logging
from typing import Any

import gevent
import gevent.event
import pytest
from gevent_process import OwnTests

from handler_core import Handler, HandlerTimeoutError
from handler_core.testing import LIMIT


class TestKills(OwnTests):
    def worker(self, handler: Handler) -> Any:
        greenlets: list[Any] = []
        self.dispatch(handler, lambda: greenlets.append(gevent.getcurrent()))
        self.drained(handler)
        return greenlets[0]

    def raise_timeout(self) -> None:
        with gevent.Timeout(0.001):
            gevent.sleep(LIMIT)

    def raise_exit(self) -> None:
        raise gevent.GreenletExit

    def kill_itself(self) -> None:
        gevent.getcurrent().kill()

    @pytest.mark.parametrize("how", ["raise_timeout", "raise_exit", "kill_itself"])
    def test_c8_a_worker_survives_what_a_callback_raises(
        self, handler: Handler, caplog: pytest.LogCaptureFixture, how: str
    ) -> None:
        worker = self.worker(handler)
        with caplog.at_level(logging.ERROR, "handler_core"):
            self.dispatch(handler, getattr(self, how))
            assert self.worker(handler) is worker
        assert len(caplog.records) == 1

    @pytest.mark.parametrize("kill", ["kill", "gevent.kill", "killall", "throw"])
    @pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
    def test_c8_a_worker_that_is_killed_is_replaced(
        self, handler: Handler, kill: str, busy: bool
    ) -> None:
        worker = self.worker(handler)
        ran: list[int] = []
        if busy:
            blocked = handler.event_object()

            def block() -> None:
                blocked.set()
                handler.event_object().wait(LIMIT)
                ran.append(0)

            self.dispatch(handler, block)
            self.dispatch(handler, ran.append, 1)
            self.happens(blocked)
        if kill == "kill":
            worker.kill(block=True, timeout=LIMIT)
        elif kill == "gevent.kill":
            gevent.kill(worker)
            worker.join(LIMIT)
        elif kill == "killall":
            gevent.killall([worker], block=True, timeout=LIMIT)
        else:
            gevent.get_hub().loop.run_callback(worker.throw)
            worker.join(LIMIT)
        assert worker.dead
        assert self.worker(handler) is not worker
        assert ran == ([1] if busy else [])
        handler.stop()

    def test_a_link_worker_that_is_killed_is_replaced(self, handler: Handler) -> None:
        workers: list[Any] = []

        def link(_: Any) -> None:
            workers.append(gevent.getcurrent())
            if len(workers) == 1:
                gevent.sleep(LIMIT)

        for _ in range(2):
            result = handler.async_result()
            result.link(link)
            result.set()
        self.until(handler, lambda: bool(workers))
        workers[0].kill(timeout=LIMIT)
        assert workers[0].dead
        self.until(handler, lambda: len(workers) == 2)
        assert workers[1] is not workers[0]

    def test_a_worker_killed_by_another_exception_is_replaced(self) -> None:
        self.run_script(
            """
            import gevent, sys
            gevent.get_hub().exception_stream = None
            handler.start()
            workers = []
            def block():
                workers.append(gevent.getcurrent())
                gevent.sleep(20)
            handler.dispatch_callback(Callback("test", block, ()))
            while not workers:
                gevent.sleep(0)
            workers[0].kill(ValueError("as planned"), timeout=20)
            assert workers[0].dead
            ran = []
            handler.dispatch_callback(Callback("test", ran.append, (1,)))
            handler.stop()
            assert ran == [1]
            """
        )

    def test_a_callback_may_shrug_a_kill_off(self, handler: Handler) -> None:
        worker = self.worker(handler)
        blocked, ran = handler.event_object(), handler.event_object()

        def shrug() -> None:
            blocked.set()
            try:
                gevent.sleep(LIMIT)
            except gevent.GreenletExit:
                ran.set()

        self.dispatch(handler, shrug)
        self.happens(blocked)
        worker.kill(block=False)
        self.happens(ran)
        assert self.worker(handler) is worker
        self.dispatch(handler, self.raise_exit)  # its own, not the kill from before
        assert self.worker(handler) is worker

    def test_a_timeout_left_behind_by_a_callback(self) -> None:
        self.run_script(
            """
            import gevent
            gevent.get_hub().exception_stream = None
            handler.start()
            def leave_behind():
                gevent.Timeout.start_new(0.01)
            handler.dispatch_callback(Callback("test", leave_behind, ()))
            gevent.sleep(0.1)
            done = handler.event_object()
            handler.dispatch_callback(Callback("test", done.set, ()))
            assert done.wait(20)
            handler.stop()
            """
        )

    def test_a_waiter_that_is_killed_leaves_nothing(self, handler: Handler) -> None:
        result, lock = handler.async_result(), handler.lock_object()
        lock.acquire()
        tasks = [gevent.spawn(result.get), gevent.spawn(lock.acquire)]
        gevent.sleep(0.01)
        gevent.killall(tasks, timeout=LIMIT)
        assert result._waiters == []
        lock.release()
        assert lock.acquire(blocking=False)

    def test_a_gevent_timeout_around_a_get(self, handler: Handler) -> None:
        with gevent.Timeout(0.01, False):
            handler.async_result().get()
        with pytest.raises(HandlerTimeoutError):
            handler.async_result().get(timeout=0.01)


class TestExits(OwnTests):
    @pytest.mark.parametrize("name", ["KeyboardInterrupt", "SystemExit"])
    def test_c8_they_reach_the_main_greenlet_once(self, name: str) -> None:
        printed = self.run_script(
            f"""
            handler.start()
            def fail():
                raise {name}("as planned")
            handler.dispatch_callback(Callback("test", fail, ()))
            handler.dispatch_callback(Callback("test", print, ("next",)))
            try:
                handler.async_result().get(timeout=20)
            except {name} as error:
                print(error)
            handler.sleep_func(0.01)
            handler.stop()
            """
        )
        assert printed == "as planned\nnext\n"

    def test_control_c_while_the_main_greenlet_waits(self) -> None:
        printed = self.run_script(
            """
            import os, signal
            from gevent import monkey
            start_thread = monkey.get_original("_thread", "start_new_thread")
            sleep = monkey.get_original("time", "sleep")
            def interrupt():
                sleep(0.2)
                os.kill(os.getpid(), signal.SIGINT)
            handler.start()
            for wait in (
                lambda: handler.async_result().get(timeout=20),
                lambda: handler.event_object().wait(20),
                lambda: handler.select([], [], [], 20),
            ):
                start_thread(interrupt, ())
                try:
                    wait()
                except KeyboardInterrupt:
                    print("interrupted")
            handler.dispatch_callback(Callback("test", print, ("ran",)))
            handler.stop()
            """
        )
        assert printed == "interrupted\n" * 3 + "ran\n"
