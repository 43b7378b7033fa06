"""C4: no wait is for what can never come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from handler_core import Handler
from handler_core.execution import Joinable, Task
from handler_core.testing._suite import Suite, calling
from handler_core.testing._time_limits import LONG

__all__ = ["EndlessWaitTests"]


def _refusal(call: Callable[[], object]) -> str:
    """Return the message with which a call was refused; an empty one if it was not."""
    try:
        call()
    except RuntimeError as error:
        return str(error)
    return ""


class EndlessWaitTests(Suite):
    """C4: a wait whose end can never come raises an error, or returns."""

    @pytest.mark.parametrize("timeout", [None, LONG], ids=["for ever", "timed"])
    @pytest.mark.parametrize("where", ["in its function", "in a link that it calls"])
    def test_c4_a_task_cannot_join_itself(
        self, idle: Handler, where: str, timeout: float | None
    ) -> None:
        """``join`` raises an error that says so, as that of ``threading`` does."""
        known = idle.event_object()
        tasks: list[Task] = []
        refusals: list[str] = []

        def join() -> None:
            refusals.append(_refusal(lambda: tasks[0].join(timeout)))

        def run() -> None:
            known.wait(LONG)
            if where == "in its function":
                join()
            else:  # the handler is not running, so the setter calls the links
                result = idle.async_result()
                result.link(calling(join))
                result.set()

        tasks.append(idle.spawn(run))
        known.set()
        self.ended(*tasks)
        assert len(refusals) == 1
        assert len(refusals[0].split()) > 3, "the error does not say what is wrong"

    @pytest.mark.parametrize("number", [2, 3])
    def test_c4_tasks_cannot_join_each_other(self, idle: Handler, number: int) -> None:
        """One of them gets an error, so that all of them end."""
        if not isinstance(idle.spawn(int), Joinable):
            pytest.skip("the tasks of this model are no `handler_core.execution.Joinable`")
        known = idle.event_object()
        tasks: list[Task] = []
        refusals: list[str] = []

        def join(next_one: int) -> None:
            known.wait(LONG)
            refusals.append(_refusal(tasks[next_one % number].join))

        tasks.extend(idle.spawn(join, place + 1) for place in range(number))
        known.set()
        self.ended(*tasks)
        assert any(refusals)

    def test_c4_a_task_may_join_the_same_one_again(self, idle: Handler) -> None:
        """A join that has ended, or whose time was over, is in nobody's way."""
        gates = [idle.event_object(), idle.event_object()]
        tasks: list[Task] = []
        refusals: list[str] = []

        def first() -> None:
            gates[0].wait(LONG)
            tasks[1].join(0.01)
            gates[1].set()
            tasks[1].join(LONG)

        def second() -> None:
            gates[1].wait(LONG)
            refusals.append(_refusal(lambda: tasks[0].join(0.01)))

        tasks.extend([idle.spawn(first), idle.spawn(second)])
        gates[0].set()
        self.ended(*tasks)
        assert refusals == [""]

    @pytest.mark.parametrize("begun", [False, True], ids=["not begun", "begun"])
    def test_c4_a_task_ends_with_its_home(self, idle: Handler, begun: bool) -> None:
        """When the thread of its hub or loop has ended, ``join`` returns, anywhere."""
        gate = idle.event_object()

        def home() -> Task:
            idle.start()
            task = idle.spawn(gate.wait)
            if begun:
                idle.sleep_func(0.01)
            return task

        task: Task = self.home_thread(idle, home).result(idle)
        gate.set()  # where the task outlives the thread, as in a model of threads, it ends by this
        self.ended(task)
        for where in ("a task", "an OS thread"):
            self.run_in(where, idle, task.join)()

    def test_c4_a_join_hears_of_the_end_of_the_home(self, idle: Handler) -> None:
        """A ``join`` that waits already returns when the thread of the task ends."""
        gate, spawned, leave = idle.event_object(), idle.event_object(), idle.event_object()
        tasks: list[Task] = []

        def home() -> None:
            idle.start()
            tasks.append(idle.spawn(gate.wait))
            spawned.set()
            leave.wait(LONG)

        thread = self.home_thread(idle, home)
        self.happens(spawned)
        joins = [self.run_in(where, idle, tasks[0].join) for where in ("a task", "an OS thread")]
        idle.sleep_func(0.01)  # time for them to park
        leave.set()
        thread.result(idle)
        gate.set()
        for join in joins:
            join()
        assert not tasks[0].is_alive()

    @pytest.mark.parametrize("reentrant", [False, True], ids=["lock", "rlock"])
    def test_c4_a_lock_is_handed_to_a_task_that_goes_on(
        self, idle: Handler, reentrant: bool
    ) -> None:
        """It is not handed to one whose hub or loop has ended, and which would never release it."""
        lock: Any = idle.rlock_object() if reentrant else idle.lock_object()
        taken = idle.event_object()

        def take() -> None:
            with lock:
                pass

        def take_and_tell() -> None:
            with lock:
                taken.set()

        def home() -> None:
            idle.start()
            idle.spawn(take)
            idle.sleep_func(0.01)

        with lock:
            self.home_thread(idle, home).result(idle)
            task = idle.spawn(take_and_tell)
            idle.sleep_func(0.05)  # time in which the thread of the home ends
        self.happens(taken)
        self.ended(task)

    @pytest.mark.parametrize(
        "body",
        [
            """
            import _thread, atexit
            def stop():
                try:
                    handler.stop()
                except RuntimeError:
                    pass
            atexit.register(stop)
            ended = _thread.allocate_lock()
            ended.acquire()
            def home():
                handler.start()
                handler.dispatch_callback(Callback("test", len, ("",)))
                ended.release()
            _thread.start_new_thread(home, ())
            ended.acquire()
            """,
            """
            import atexit
            handler.start()
            task = handler.spawn(handler.sleep_func, 0.05)
            atexit.register(lambda: (task.join(), handler.stop()))
            """,
            """
            class Client:
                def __del__(self, handler=handler, refused=RuntimeError):
                    try:
                        handler.stop()
                    except refused:
                        pass
            handler.start()
            ran = handler.event_object()
            handler.dispatch_callback(Callback("test", ran.set, ()))
            ran.wait()
            client = Client()
            """,
        ],
        ids=["stop at exit, after the home", "join at exit", "stop in a finalizer"],
    )
    def test_c4_it_exits_whoever_waits(self, body: str) -> None:
        """The interpreter exits where a client waits at its end, for what may never come."""
        self.run_script(body)
