"""What is gevent's own: hubs and threads, kills, forks, and patched processes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import pytest
from gevent._hub_local import get_hub_if_exists
from gevent_process import PATCHED, GeventProcess
from handler_core_gevent import AsyncResult, GeventTimeoutError

from handler_core import Handler, HandlerTimeoutError
from handler_core.testing.suite import LIMIT, Suite, calling, open_descriptors


class OwnTests(GeventProcess, Suite):
    def in_hub_of_thread(self, func: Callable[..., Any], *args: Any) -> Any:
        """Run a function in a greenlet of another thread of the operating system."""

        def run() -> Any:
            try:
                return gevent.spawn(func, *args).get()
            finally:
                gevent.get_hub().destroy()

        return self.os_thread(run)


class TestThreads(OwnTests):
    def test_a_setter_in_another_hub(self, handler: Handler) -> None:
        for _ in range(20):
            asked, answered = handler.async_result(), handler.async_result()

            def answer(asked: Any = asked, answered: Any = answered) -> None:
                answered.set(asked.get(timeout=LIMIT) + 1)

            thread = self.in_hub_of_thread(answer)
            gevent.spawn(asked.set, 1)
            assert answered.get(timeout=2 * LIMIT) == 2
            thread.result(handler)

    def test_two_hubs_wait_for_one_result(self, idle: Handler) -> None:
        result = idle.async_result()
        waiting = [idle.event_object() for _ in range(3)]

        def wait(number: int) -> Any:
            waiting[number].set()
            return result.get(timeout=LIMIT)

        threads = [self.in_hub_of_thread(wait, number) for number in range(3)]
        task = gevent.spawn(result.get, timeout=LIMIT)
        for event in waiting:
            self.happens(event)
        self.os_thread(result.set, 1).result(idle)
        assert [thread.result(idle) for thread in threads] == [1] * 3
        assert task.get() == 1

    def test_events_and_locks_between_hubs(self, idle: Handler) -> None:
        inside: list[int] = []
        most: list[int] = []
        lock, rlock, event = idle.lock_object(), idle.rlock_object(), idle.event_object()

        def work() -> None:
            assert event.wait(LIMIT)
            for _ in range(20):
                with lock, rlock, rlock:
                    inside.append(1)
                    gevent.sleep(0)
                    most.append(len(inside))
                    inside.pop()

        threads = [self.in_hub_of_thread(work) for _ in range(3)]
        tasks = [idle.spawn(work) for _ in range(3)]
        event.set()
        for thread in threads:
            thread.result(idle)
        for task in tasks:
            task.join(LIMIT)
        assert most == [1] * 120

    def test_a_thread_that_waits_gets_no_hub(self, handler: Handler) -> None:
        result, event = handler.async_result(), handler.event_object()

        def wait() -> Any:
            event.wait(LIMIT)
            handler.select([], [], [], 0.001)
            self.dispatch(handler, result.set, 1)
            return result.get(timeout=LIMIT), get_hub_if_exists()

        thread = self.os_thread(wait)
        event.set()
        assert thread.result(handler) == (1, None)

    def test_a_result_without_a_handler(self, idle: Handler) -> None:
        result = AsyncResult()
        ticks: list[int] = []
        gevent.spawn(ticks.append, 1)
        thread = self.os_thread(
            lambda: self.until(idle_thread, lambda: bool(ticks)) or result.set()
        )
        assert result.wait(LIMIT)
        assert ticks == [1]
        thread.result(idle)
        with pytest.raises(GeventTimeoutError):
            AsyncResult().get(timeout=0.001)

    def test_no_loop_exit_while_a_thread_may_wake_somebody(self) -> None:
        printed = self.run_script(
            """
            import gevent, gevent.event, time
            from gevent import monkey
            start_thread = monkey.get_original("_thread", "start_new_thread")
            sleep = monkey.get_original("time", "sleep")
            def loop_exits():
                try:
                    gevent.event.AsyncResult().get()
                except gevent.hub.LoopExit:
                    return True
            assert loop_exits()
            for wait in ("get", "wait"):
                result = handler.async_result()
                start_thread(lambda: (sleep(0.2), result.set(1)), ())
                assert getattr(result, wait)()
            try:
                handler.async_result().get(timeout=0.01)
            except handler.timeout_exception:
                pass
            assert loop_exits()
            print("ok")
            """
        )
        assert printed == "ok\n"


class _NativeSleeper:
    """Looks like a handler to `until`, in a thread that is to get no hub."""

    @staticmethod
    def sleep_func(seconds: float) -> None:
        from gevent import monkey

        monkey.get_original("time", "sleep")(seconds)


idle_thread: Any = _NativeSleeper()


class TestHome(OwnTests):
    def test_stop_from_a_thread(self, handler: Handler) -> None:
        ran: list[int] = []
        for number in range(100):
            self.dispatch(handler, ran.append, number)
        self.os_thread(handler.stop).result(handler)
        assert ran == list(range(100))
        assert not handler.running

    def test_callbacks_run_in_the_thread_that_started(self, idle: Handler) -> None:
        hubs: list[Any] = []
        started, ran = idle.event_object(), idle.event_object()

        def home() -> Any:
            idle.start()
            started.set()
            assert ran.wait(LIMIT)
            idle.stop()
            return gevent.get_hub()

        thread = self.in_hub_of_thread(home)
        self.happens(started)
        self.dispatch(idle, lambda: hubs.append(gevent.get_hub()))
        result = idle.async_result()
        result.link(lambda _: hubs.append(gevent.get_hub()))
        result.link(calling(ran.set))
        self.drained(idle)
        result.set()
        assert thread.result(idle) is hubs[0] is hubs[1]

    def test_each_start_makes_a_home(self, idle: Handler) -> None:
        """Also for what was dispatched before it."""
        idle.start()
        self.drained(idle)
        idle.stop()
        hubs: list[Any] = []
        self.dispatch(idle, lambda: hubs.append(gevent.get_hub()))

        def home() -> Any:
            idle.start()
            idle.stop()
            return gevent.get_hub()

        assert [self.in_hub_of_thread(home).result(idle)] == hubs

    def test_a_thread_without_a_hub_leaves_the_home_where_it_is(self, idle: Handler) -> None:
        idle.start()
        self.os_thread(idle.start).result(idle)
        idle.stop()
        self.os_thread(idle.start).result(idle)  # where it was before
        self.drained(idle)
        hubs: list[Any] = []
        task = self.os_thread(idle.spawn, lambda: hubs.append(gevent.get_hub())).result(idle)
        task.join(LIMIT)
        assert hubs == [gevent.get_hub()]

    def test_a_home_that_has_ended(self, idle: Handler) -> None:
        def home() -> None:
            idle.start()
            self.drained(idle)

        self.in_hub_of_thread(home).result(idle)
        ran: list[int] = []
        self.dispatch(idle, ran.append, 1)
        self.until(idle, lambda: idle.home.has_ended())
        with pytest.raises(RuntimeError, match=r"has ended.* 1 callbacks are left"):
            idle.stop()
        assert not idle.running
        idle.start()
        self.drained(idle)
        assert ran == [1]

    def test_a_home_that_has_ended_is_replaced_by_start(self, idle: Handler) -> None:
        def home() -> None:
            idle.start()
            self.drained(idle)

        self.in_hub_of_thread(home).result(idle)
        self.until(idle, lambda: idle.home.has_ended())
        idle.start()
        self.drained(idle)

    def test_a_home_that_ends_while_somebody_stops(self, idle: Handler) -> None:
        blocked, stopping = idle.event_object(), idle.event_object()

        def home() -> None:
            # Without `destroy`, which many programs forget.
            def start() -> None:
                idle.start()
                self.dispatch(idle, blocked.set)
                self.dispatch(idle, idle.event_object().wait)
                assert stopping.wait(LIMIT)

            gevent.spawn(start).join()

        thread = self.os_thread(home)
        self.happens(blocked)
        stopper = gevent.spawn(idle.stop)
        self.until(idle, lambda: not idle.running)
        stopping.set()
        thread.result(idle)
        with pytest.raises(RuntimeError, match="has ended"):
            stopper.get(timeout=LIMIT)
        idle.start()
        self.drained(idle)


class TestTheHubItself(OwnTests):
    def test_what_does_not_wait_works_in_the_hub(self, handler: Handler) -> None:
        result, done = handler.async_result(), handler.event_object()
        seen: list[Any] = []

        def in_hub() -> None:
            result.link(seen.append)
            result.set(1)
            seen.append(result.get())
            seen.append(handler.select([], [], [], 0))
            self.dispatch(handler, done.set)

        gevent.get_hub().loop.run_callback(in_hub)
        self.happens(done)
        self.until(handler, lambda: len(seen) == 3)
        assert seen == [1, ([], [], []), result]


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


class TestFork(OwnTests):
    def test_c5_the_child_does_not_read_the_parents_bytes(self) -> None:
        printed = self.run_script(
            """
            import gevent, os
            from gevent import socket
            pairs = [socket.socketpair() for _ in range(3)]
            got = [b"", b"", b""]
            def by_recv():
                while data := pairs[0][1].recv(1):
                    got[0] += data
            def by_select():
                while handler.select([pairs[1][1]], [], []):
                    data = pairs[1][1].recv(1)
                    if not data:
                        break
                    got[1] += data
            def dispatched():
                while data := pairs[2][1].recv(1):
                    got[2] += data
            handler.start()
            tasks = [handler.spawn(by_recv), handler.spawn(by_select)]
            handler.dispatch_callback(Callback("test", dispatched, ()))
            handler.sleep_func(0.01)
            for pair in pairs:
                pair[0].send(b"0")
            pid = os.fork()
            if pid == 0:
                handler.start()
                handler.sleep_func(0.3)
                os._exit(1 if got != [b"", b"", b""] else 0)
            for number in range(1, 100):
                for pair in pairs:
                    pair[0].send(b"%d" % (number % 10))
                handler.sleep_func(0.001)
            for pair in pairs:
                pair[0].shutdown(socket.SHUT_WR)
            for task in tasks:
                task.join()
            handler.stop()
            assert got == [bytes(48 + number % 10 for number in range(100))] * 3, got
            print(exit_status(pid))
            """
        )
        assert printed == "0\n"

    @pytest.mark.parametrize("model", ["gevent", "threading"])
    def test_c5_a_task_that_will_not_end_does_not_hang_the_child(self, model: str) -> None:
        if model == "threading" and not PATCHED:
            return  # its tasks are threads
        printed = self.run_script(
            f"""
            import os, gevent
            handler = get_handler({model!r})
            def stubborn(how):
                while True:
                    try:
                        handler.sleep_func(0.01)
                    except gevent.GreenletExit:
                        handler.sleep_func(0.01)
                        if how == "finally":
                            raise
                        ended.append(how)
            ended = []
            handler.start()
            for how in ("finally", "go on"):
                handler.spawn(stubborn, how)
            handler.dispatch_callback(Callback("test", stubborn, ("finally",)))
            handler.sleep_func(0.05)
            pid = os.fork()
            if pid == 0:
                handler.start()
                done = handler.event_object()
                handler.dispatch_callback(Callback("test", done.set, ()))
                os._exit(0 if done.wait(20) else 1)
            print(exit_status(pid))
            """
        )
        assert printed == "0\n"

    def test_c5_multiprocessing(self) -> None:
        printed = self.run_script(
            """
            import multiprocessing, os, signal
            def work(number):
                handler.start()
                result = handler.async_result()
                handler.dispatch_callback(Callback("test", result.set, (number,)))
                assert result.get(timeout=20) == number
                handler.spawn(handler.sleep_func, 0).join()
                handler.stop()
            context = multiprocessing.get_context("fork")
            handler.start()
            handler.dispatch_callback(Callback("test", handler.sleep_func, (0.2,)))
            handler.sleep_func(0.01)
            children = [context.Process(target=work, args=(number,)) for number in range(3)]
            for child in children:
                child.start()
            while any(child.is_alive() for child in children):
                os.kill(os.getpid(), signal.SIGCHLD)  # see `exit_status`
                handler.sleep_func(0.01)
            handler.stop()
            print([child.exitcode for child in children])
            """
        )
        assert printed == "[0, 0, 0]\n"

    def test_c5_a_name_can_be_looked_up_in_the_child(self) -> None:
        """By the hub's thread pool, whose threads are the parent's."""
        printed = self.run_script(
            """
            import os, socket
            from gevent import monkey
            handler.start()
            def connect():
                with monkey.get_original("socket", "socket")() as server:
                    server.bind(("127.0.0.1", 0))
                    server.listen()
                    address = ("localhost", server.getsockname()[1])
                    handler.create_connection(address, timeout=20).close()
            connect()
            pid = os.fork()
            if pid == 0:
                handler.start()
                connect()
                os._exit(0)
            print(exit_status(pid))
            """
        )
        assert printed == "0\n"


class TestLookUp(OwnTests):
    def test_other_greenlets_run_meanwhile(
        self, handler: Handler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The answer comes only after they have: from gevent's resolver, in its thread pool."""
        ticks: list[int] = []
        hub = gevent.get_hub()

        class Resolver:
            def getaddrinfo(self, *args: Any) -> Any:
                return hub.threadpool.apply(self.answer)

            def answer(self) -> Any:
                self_sleep = _NativeSleeper.sleep_func
                while len(ticks) < 20:
                    self_sleep(0.001)
                return [(2, 1, 6, "", server.address)]

        from handler_core.testing.server import running_server

        def tick() -> None:
            for number in range(20):
                gevent.sleep(0.001)
                ticks.append(number)

        monkeypatch.setattr(hub, "_resolver", Resolver())
        gevent.spawn(tick)
        with (
            running_server() as server,
            handler.create_connection(("name.invalid", 1), timeout=LIMIT) as connection,
        ):
            assert connection.getpeername() == server.address
        assert len(ticks) == 20

    def test_a_look_up_without_an_end(
        self, handler: Handler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Resolver:
            def getaddrinfo(self, *args: Any) -> Any:
                gevent.sleep(LIMIT)

        monkeypatch.setattr(gevent.get_hub(), "_resolver", Resolver())
        with pytest.raises(TimeoutError):
            handler.create_connection(("name.invalid", 1), timeout=0.05)


class TestLookup(OwnTests):
    def test_get_handler_without_a_name(self) -> None:
        printed = self.run_script(
            """
            import os, gevent
            os.environ.pop("HANDLER_CORE_HANDLER", None)
            print(get_handler().name, gevent.spawn(lambda: get_handler().name).get())
            """
        )
        assert printed == f"{'gevent' if PATCHED else 'threading'} gevent\n"


class TestNothingIsLeft(OwnTests):
    def test_c6_threads_with_hubs_leave_no_descriptor(self, idle: Handler) -> None:
        """The hub's object itself gevent keeps, also without us."""

        def use() -> None:
            idle.start()
            self.drained(idle)
            assert not idle.event_object().wait(0.001)
            assert idle.select([], [], [], 0.001) == ([], [], [])
            idle.stop()

        self.in_hub_of_thread(use).result(idle)
        before = open_descriptors()
        for _ in range(20):
            self.in_hub_of_thread(use).result(idle)
        assert open_descriptors() <= before
