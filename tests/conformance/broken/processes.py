"""Handlers that break C4 to C6."""

from __future__ import annotations

import atexit
import os
import socket
import threading
from typing import Any

from handler_core_gevent import SequentialGeventHandler

import handler_core
from broken.base import Threads, found_by
from handler_core import fileobj_to_fd, hookimpl
from handler_core.execution import TaskThread, ThreadWaiter
from handler_core.execution._workers import State
from handler_core.green import GreenWaiter
from handler_core.network import ThreadConnection

# C4


@found_by("test_c4_the_interpreter_exits")
class C4ThreadsKeepTheProgramAlive(Threads):
    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        thread = TaskThread(func, args, kwargs)
        thread.daemon = False
        thread.start()
        return thread


@found_by("test_c4_the_interpreter_exits")
class C4StopsAtExit(Threads):
    """Waits at exit for the running callback, which may never end."""

    @hookimpl
    def start(self) -> None:
        atexit.register(self.stop)
        super().start()


@found_by("test_c4_the_interpreter_exits")
class C4StopsAtExitWhatWaits(Threads):
    """Runs the queued callbacks at exit. The one before them may never end."""

    def __init__(self) -> None:
        super().__init__()
        atexit.register(self.run_the_rest)

    def run_the_rest(self) -> None:
        if self._callbacks.items:
            self.stop()


@found_by("test_c4_the_interpreter_exits")
class C4SelectKeepsTheProgramAlive(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        result = self.async_result()
        run = handler_core.wrap(result)(handler_core.poll_select)
        threading.Thread(target=run, args=(rlist, wlist, xlist, timeout), daemon=False).start()
        return result.get()


@found_by("test_c4_a_task_cannot_join_itself")
class C4JoinsItself(Threads):
    class _Thread(TaskThread):
        def join(self, timeout: float | None = None) -> None:
            if self is threading.current_thread():
                threading.Event().wait(timeout)
            else:
                super().join(timeout)

    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        thread = self._Thread(func, args, kwargs)
        thread.start()
        return thread


@found_by("test_c4_tasks_cannot_join_each_other")
class C4JoinsInACircle(Threads):
    class _Thread(TaskThread):
        def join(self, timeout: float | None = None) -> None:
            threading.Thread.join(self, timeout)

    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        thread = self._Thread(func, args, kwargs)
        thread.start()
        return thread


@found_by("test_c4_a_task_may_join_the_same_one_again")
class C4JoinIsRefusedForGood(Threads):
    """Refuses to join a task that has joined the caller before, for a moment."""

    class _Thread(TaskThread):
        def join(self, timeout: float | None = None) -> None:
            caller: Any = threading.current_thread()
            joined = vars(self).get("joined", set())
            if caller in joined:
                raise RuntimeError("a task cannot wait for one that waits for it")
            if isinstance(caller, TaskThread):
                vars(caller).setdefault("joined", set()).add(self)
            super().join(timeout)

    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        thread = self._Thread(func, args, kwargs)
        thread.start()
        return thread


@found_by("test_c4_a_task_cannot_join_itself")
class C4TasksOutliveTheirHome(SequentialGeventHandler):
    """Waits for the task alone, and not for its hub."""

    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        task: Any = super().spawn(func, *args, **kwargs)
        task.join = task._ended.wait
        task.is_alive = lambda: not task._ended.ready()
        return task


@found_by("test_c4_a_task_cannot_join_itself")
class C4JoinHearsOfNoEnd(SequentialGeventHandler):
    """Asks if the hub of the task has ended, but only before it waits."""

    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        task: Any = super().spawn(func, *args, **kwargs)

        def join(timeout: float | None = None) -> None:
            if task.is_alive():
                task._ended.wait(timeout)

        task.join = join
        return task


@found_by("test_c4_a_lock_is_handed_to_a_task_that_goes_on")
class C4LocksGoToTheLost(SequentialGeventHandler):
    """Hands a lock over to a task whose hub has ended."""

    class _Waiter(GreenWaiter):
        def is_lost(self) -> bool:
            return False

    def new_waiter(self) -> Any:
        hub: Any = self.current_hub()
        return super().new_waiter() if hub is None else self._Waiter(hub, self.current_task())


@found_by("test_c4_a_socket_that_is_closed_resumes_who_waits")
class C4ForgetsWhoWaitsForAClosedSocket(SequentialGeventHandler):
    """Waits for bare descriptors, and hears of no close."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        lists = [list(each) for each in (rlist, wlist, xlist)]
        numbers = [[fileobj_to_fd(fileobj) for fileobj in each] for each in lists]
        ready = super().select(*numbers, timeout)
        return tuple(
            [fileobj for fileobj, fd in zip(each, fds, strict=True) if fd in found]
            for each, fds, found in zip(lists, numbers, ready, strict=True)
        )


@found_by("test_c4_a_shutdown_resumes_who_waits_in_a_send")
class C4ShutdownResumesNoSender(Threads):
    """Shuts down one direction only, and not the one in which a task is parked."""

    class connection_class(ThreadConnection):
        def shutdown(self, how: int) -> None:
            super().shutdown(socket.SHUT_RD)  # type: ignore[misc]


@found_by("test_c4_it_exits_whoever_waits")
class C4WaitsInAFinalizer(Threads):
    """Waits when the interpreter ends, and no other thread runs."""

    class _Waiter(ThreadWaiter):
        def park(self, timeout: float | None = None) -> bool:
            return self._lock.acquire(True, -1 if timeout is None else timeout)  # type: ignore[no-any-return]

    def new_waiter(self) -> Any:
        return self._Waiter()

    def forget_workers(self) -> None:
        pass


# C5


@found_by("test_c5_tasks_of_the_parent_stand_still")
class C5ForgetsThatItForked(Threads):
    def after_fork_in_child(self) -> None:
        pass


@found_by("test_c5_the_child_has_a_stopped_empty_handler")
class C5ChildRunsTheQueue(Threads):
    """Runs the callbacks that the parent has queued in the child as well."""

    def after_fork_in_child(self) -> None:
        queued = list(self._callbacks.items)
        super().after_fork_in_child()
        self._callbacks.items.extend(queued)


@found_by("test_c5_the_child_has_a_stopped_empty_handler")
class C5ChildCallsTheLinks(Threads):
    """Calls the links that the parent has queued in the child as well."""

    def after_fork_in_child(self) -> None:
        queued = list(self._completions.items)
        super().after_fork_in_child()
        self._completions.items.extend(queued)


@found_by("test_c5_a_callback_that_forks_returns_in_the_child_too")
class C5ForkInALinkGoesOn(Threads):
    """Lets a worker that forks in a link go on as the child's worker."""

    def after_fork_in_child(self) -> None:
        completions = self._completions
        super().after_fork_in_child()
        completions.items.popleft()


@found_by("test_c5_the_child_of_a_handler_that_is_stopped_or_drains")
class C5ChildKeepsWhatWaitsForAStart(Threads):
    def after_fork_in_child(self) -> None:
        if self._state is not State.STOPPED:
            super().after_fork_in_child()


@found_by("test_c5_the_child_of_a_handler_that_is_stopped_or_drains")
class C5ChildStillDrains(Threads):
    def after_fork_in_child(self) -> None:
        state, drain = self._state, self._drain
        super().after_fork_in_child()
        if state is State.DRAINING:
            self._state, self._drain = state, drain


# C6


@found_by("test_c6_a_stopped_handler_leaves_nothing_behind")
class C6RegistersAtExit(Threads):
    """Registers an exit function for each handler. The function keeps the handler alive."""

    def __init__(self) -> None:
        super().__init__()
        atexit.register(len, [self])


@found_by("test_c6_a_stopped_handler_leaves_nothing_behind")
class C6LeaksDescriptors(Threads):
    def __init__(self) -> None:
        super().__init__()
        self.descriptor = os.open(os.devnull, os.O_RDONLY)


@found_by("test_c6_a_stopped_handler_leaves_nothing_behind")
class C6LeaksThreads(Threads):
    ends = threading.Event()

    @hookimpl
    def start(self) -> None:
        threading.Thread(target=self.ends.wait, daemon=True).start()
        super().start()


@found_by("test_c6_a_stopped_handler_leaves_nothing_behind")
class C6RemembersEveryHandler(Threads):
    handlers: list[Any] = []  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.handlers.append(self)


@found_by("test_c6_a_stopped_handler_leaves_no_memory_behind")
class C6LeaksMemory(Threads):
    names: list[bytes] = []  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.names.append(b"handler" * 100 + str(len(self.names)).encode())


@found_by("test_c6_a_stopped_handler_leaves_nothing_behind")
class C6RemembersEveryTask(Threads):
    tasks: list[Any] = []  # noqa: RUF012

    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        task = super().spawn(func, *args, **kwargs)
        if func != self._work:
            self.tasks.append(task)
        return task


@found_by("test_c6_a_stopped_handler_leaves_nothing_behind")
class C6LeaksSockets(Threads):
    copies: list[Any] = []  # noqa: RUF012

    def create_socket_pair(self) -> Any:
        pair = super().create_socket_pair()
        self.copies.append(pair[0].dup())
        return pair


@found_by("test_c6_a_handler_is_freed")
class C6RemembersWhatWaits(Threads):
    """Keeps a handler alive if a callback was dispatched to it while it was stopped."""

    waiting: set[Any] = set()  # noqa: RUF012

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if self._state is State.STOPPED:
            self.waiting.add(self)
        super().dispatch_callback(callback)


@found_by("test_c6_a_handler_is_freed")
class C6RemembersWhatFailed(Threads):
    failures: list[Any] = []  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self._run_callback = self.run_and_remember

    def run_and_remember(self, callback: Any) -> None:
        try:
            callback.func(*callback.args)
        except Exception as error:
            self.failures.append(error)
            raise
