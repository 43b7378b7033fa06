"""Handlers that break C5, by what the parent's tasks do in a forked child."""

from __future__ import annotations

from typing import Any

import gevent
from handler_core_gevent import SequentialGeventHandler
from handler_core_gevent._hub import GeventHub

from broken.base import Threads, found_by
from handler_core.execution import Lock, RLock
from handler_core.green._fork import _running, frozen_greenlets


@found_by("test_c5_tasks_of_the_parent_stand_still")
class C5ChildEndsTheTasks(SequentialGeventHandler):
    """Ends the parent's tasks inside the fork, so that their ``finally`` blocks run."""

    def freeze_inherited_tasks(self) -> None:
        super().freeze_inherited_tasks()
        for greenlet in frozen_greenlets():
            greenlet.parent = gevent.getcurrent()
            type(greenlet).throw(greenlet)


@found_by("test_c5_tasks_of_the_parent_stand_still")
class C5ChildEndsTheTasksAtExit(SequentialGeventHandler):
    """Lets go of the parent's tasks. They end when they are freed."""

    def freeze_inherited_tasks(self) -> None:
        super().freeze_inherited_tasks()
        for greenlet in frozen_greenlets():
            del greenlet.switch, greenlet.throw
            del _running[greenlet]


@found_by("test_c5_tasks_of_the_parent_stand_still")
class C5ChildRunsTheTasks(SequentialGeventHandler):
    def freeze_inherited_tasks(self) -> None:
        for task in _running.values():
            task.adopt()
        super().freeze_inherited_tasks()


@found_by("test_c5_a_child_idles")
class C5ChildWaitsForTheTasks(SequentialGeventHandler):
    """Leaves the hub as it is. It turns for what the parent's tasks wait for."""

    def __init__(self) -> None:
        super().__init__()
        # Of all handlers, since one that leaves it does so for all of them.
        GeventHub.leave_frozen = lambda hub: None


@found_by("test_c5_a_task_that_forks_goes_on_and_forks_again")
class C5ForgetsWhoForked(SequentialGeventHandler):
    """Takes the task that has forked for the parent's when it forks again."""

    def freeze_inherited_tasks(self) -> None:
        super().freeze_inherited_tasks()
        task = _running.get(gevent.getcurrent())
        if task is not None:
            _running[gevent.getcurrent()] = type(task)(len)


@found_by("test_c5_a_task_that_forks_goes_on_and_forks_again")
class C5SecondForkRunsTheTasks(SequentialGeventHandler):
    """Freezes the tasks of the parent in the first child only."""

    forks = 0

    def freeze_inherited_tasks(self) -> None:
        self.forks += 1
        if self.forks == 1:
            super().freeze_inherited_tasks()
            return
        for greenlet in frozen_greenlets():
            greenlet.parent = gevent.getcurrent()
            type(greenlet).throw(greenlet)


class _Task:
    """A task that does not know of forks."""

    def __init__(self, handler: Threads, func: Any) -> None:
        self.ended = handler.event_object()
        self.func = func

    def run(self, *args: Any, **kwargs: Any) -> None:
        try:
            self.func(*args, **kwargs)
        finally:
            self.ended.set()

    def is_alive(self) -> bool:
        return not self.ended.is_set()

    def join(self, timeout: float | None = None) -> None:
        self.ended.wait(timeout)


@found_by("test_c5_tasks_of_the_parent_count_as_ended")
class C5TasksOfTheParentAreAlive(Threads):
    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        task = _Task(self, func)
        super().spawn(task.run, *args, **kwargs)
        return task


@found_by("test_c5_tasks_of_the_parent_count_as_ended")
class C5JoinWaitsForTasksOfTheParent(Threads):
    class _Task(_Task):
        def is_alive(self) -> bool:
            return bool(self.thread.is_alive())

    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        task = self._Task(self, func)
        task.thread = super().spawn(task.run, *args, **kwargs)
        return task


class _Waiter:
    """A waiter that takes the parent's tasks for those of the child."""

    def __init__(self, waiter: Any) -> None:
        self.park = waiter.park
        self.wake = waiter.wake

    def is_frozen(self) -> bool:
        return False


@found_by("test_c5_tasks_of_the_parent_stand_still")
class C5LocksGoToTasksOfTheParent(SequentialGeventHandler):
    def lock_object(self) -> Lock:
        return Lock(lambda: _Waiter(self.new_waiter()))


@found_by("test_c5_tasks_of_the_parent_stand_still")
class C5RLocksGoToTasksOfTheParent(SequentialGeventHandler):
    def rlock_object(self) -> RLock:
        return RLock(lambda: _Waiter(self.new_waiter()), self.current_task)
