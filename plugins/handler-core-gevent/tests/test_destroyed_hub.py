"""A hub that the program destroys: its tasks and workers have ended, and nobody waits for them."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent_process import OwnTests

from handler_core import Handler
from handler_core.testing import LIMIT

DESTROY = """
import gevent
ran = []
def wait():
    handler.event_object().wait()
handler.start()
done = handler.event_object()
handler.dispatch_callback(Callback("test", done.set, ()))
assert done.wait({limit})
task = handler.spawn(wait)
lock, queue = handler.lock_object(), handler.queue_impl()
lock.acquire()
handler.spawn(lock.acquire)
gevent.sleep(0)
gevent.get_hub().destroy(destroy_loop={destroy_loop})
"""


class TestDestroyedHub(OwnTests):
    @pytest.fixture(params=[True, False, None], ids=["loop too", "loop stays", "default"])
    def destroyed(self, request: pytest.FixtureRequest) -> str:
        """Return the beginning of a program that destroys the hub of its main thread."""
        return DESTROY.format(limit=LIMIT, destroy_loop=request.param)

    def test_c1_stop_says_so(self, destroyed: str) -> None:
        program = """
        handler.dispatch_callback(Callback("test", ran.append, (1,)))
        try:
            handler.stop()
        except RuntimeError as error:
            print(error)
        assert not handler.running
        handler.start()
        handler.dispatch_callback(Callback("test", ran.append, (2,)))
        handler.stop()
        print(ran)
        """
        refusal, ran = self.run_script(f"{destroyed}\nif True:{program}").splitlines()
        assert "has ended" in refusal
        assert "1 callbacks are left" in refusal
        assert ran == "[1, 2]"

    def test_c4_its_tasks_have_ended(self, destroyed: str) -> None:
        program = """
        assert not task.is_alive()
        task.join()
        another = handler.spawn(gevent.sleep, 0.01)
        assert another.is_alive()
        another.join()
        assert not another.is_alive()
        """
        self.run_script(f"{destroyed}\nif True:{program}")

    def test_c4_a_lock_goes_to_a_task_of_the_next_hub(self, destroyed: str) -> None:
        program = """
        task = handler.spawn(lock.acquire)
        gevent.sleep(0.01)
        lock.release()
        task.join()
        """
        self.run_script(f"{destroyed}\nif True:{program}")

    def test_c4_a_queue_says_so(self, destroyed: str) -> None:
        program = """
        for call in (queue.get, lambda: queue.get(timeout=1), lambda: queue.put(1)):
            try:
                call()
            except RuntimeError as error:
                assert "queue_impl()" in str(error)
            else:
                raise AssertionError("it was not refused")
        try:
            queue.get_nowait()
        except handler.queue_empty:
            pass
        """
        self.run_script(f"{destroyed}\nif True:{program}")

    @pytest.mark.parametrize("name", ["stop", "join"])
    def test_c4_who_waits_already_hears_of_it(self, idle: Handler, name: str) -> None:
        """The thread lives on, and its hub has gone."""
        blocked, destroy, leave = (idle.event_object() for _ in range(3))
        tasks: list[Any] = []

        def block() -> None:
            blocked.set()
            idle.event_object().wait()

        def home() -> None:
            def use() -> None:
                idle.start()
                self.dispatch(idle, block)
                tasks.append(idle.spawn(idle.event_object().wait))
                destroy.wait(LIMIT)

            gevent.spawn(use).join()
            gevent.get_hub().destroy()
            leave.wait(LIMIT)

        def wait() -> str:
            try:
                idle.stop() if name == "stop" else tasks[0].join()
            except RuntimeError as error:
                return str(error)
            return ""

        thread = self.os_thread(home)
        self.happens(blocked)
        waiters = [gevent.spawn(wait), self.os_thread(wait)]
        gevent.sleep(0.01)
        destroy.set()
        outcomes = [waiters[0].get(timeout=LIMIT), waiters[1].result(idle)]
        assert ["has ended" in outcome for outcome in outcomes] == [name == "stop"] * 2
        assert not tasks[0].is_alive()
        leave.set()
        thread.result(idle)
        idle.start()  # here


class TestKilledBeforeItBegins(OwnTests):
    def kill_the_next(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """Kill the next greenlet of a task before it begins; return the list that gets it."""
        from handler_core_gevent import _hub

        killed: list[Any] = []
        plain = _hub.TaskGreenlet.spawn

        def spawn(func: Any) -> Any:
            monkeypatch.undo()
            task = plain(func)
            killed.append(task)
            task.kill(block=False)
            return task

        monkeypatch.setattr(_hub.TaskGreenlet, "spawn", spawn)
        return killed

    def test_c4_a_task(self, handler: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
        killed = self.kill_the_next(monkeypatch)
        task = handler.spawn(int)
        assert len(killed) == 1
        self.ended(task)

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c4_a_worker(
        self, handler: Handler, monkeypatch: pytest.MonkeyPatch, linked: bool
    ) -> None:
        killed = self.kill_the_next(monkeypatch)
        ran: list[int] = []
        self.queue(handler, linked, ran.append, 1)
        handler.stop()
        assert len(killed) == 1
        assert ran == [1]
