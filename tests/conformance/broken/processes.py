"""Handlers that break C4 to C6."""

from __future__ import annotations

import atexit
import os
import threading
from typing import Any

import handler_core
from broken.base import Threads
from handler_core import hookimpl
from handler_core.execution._workers import State

# C4


class C4ThreadsKeepTheProgramAlive(Threads):
    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        thread = threading.Thread(target=func, args=args, kwargs=kwargs, daemon=False)
        thread.start()
        return thread


class C4StopsAtExit(Threads):
    """Waits at exit for the running callback, which may never end."""

    @hookimpl
    def start(self) -> None:
        atexit.register(self.stop)
        super().start()


class C4StopsAtExitWhatWaits(Threads):
    """Runs the queued callbacks at exit. The one before them may never end."""

    def __init__(self) -> None:
        super().__init__()
        atexit.register(self.run_the_rest)

    def run_the_rest(self) -> None:
        if self._callbacks.items:
            self.stop()


class C4SelectKeepsTheProgramAlive(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        result = self.async_result()
        run = handler_core.wrap(result)(handler_core.poll_select)
        threading.Thread(target=run, args=(rlist, wlist, xlist, timeout), daemon=False).start()
        return result.get()


# C5


class C5ForgetsThatItForked(Threads):
    def after_fork_in_child(self) -> None:
        pass


class C5ChildRunsTheQueue(Threads):
    """Runs the callbacks that the parent has queued in the child as well."""

    def after_fork_in_child(self) -> None:
        queued = list(self._callbacks.items)
        super().after_fork_in_child()
        self._callbacks.items.extend(queued)


class C5ChildCallsTheLinks(Threads):
    """Calls the links that the parent has queued in the child as well."""

    def after_fork_in_child(self) -> None:
        queued = list(self._completions.items)
        super().after_fork_in_child()
        self._completions.items.extend(queued)


class C5ForkInALinkGoesOn(Threads):
    """Lets a worker that forks in a link go on as the child's worker."""

    def after_fork_in_child(self) -> None:
        completions = self._completions
        super().after_fork_in_child()
        completions.items.popleft()


class C5ChildKeepsWhatWaitsForAStart(Threads):
    def after_fork_in_child(self) -> None:
        if self._state is not State.STOPPED:
            super().after_fork_in_child()


class C5ChildStillDrains(Threads):
    def after_fork_in_child(self) -> None:
        state, drain = self._state, self._drain
        super().after_fork_in_child()
        if state is State.DRAINING:
            self._state, self._drain = state, drain


# C6


class C6RegistersAtExit(Threads):
    """Registers an exit function for each handler. The function keeps the handler alive."""

    def __init__(self) -> None:
        super().__init__()
        atexit.register(len, [self])


class C6LeaksDescriptors(Threads):
    def __init__(self) -> None:
        super().__init__()
        self.descriptor = os.open(os.devnull, os.O_RDONLY)


class C6LeaksThreads(Threads):
    ends = threading.Event()

    @hookimpl
    def start(self) -> None:
        threading.Thread(target=self.ends.wait, daemon=True).start()
        super().start()


class C6RemembersEveryHandler(Threads):
    handlers: list[Any] = []  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.handlers.append(self)


class C6LeaksMemory(Threads):
    names: list[bytes] = []  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.names.append(b"handler" * 100 + str(len(self.names)).encode())


class C6RemembersEveryTask(Threads):
    tasks: list[Any] = []  # noqa: RUF012

    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        task = super().spawn(func, *args, **kwargs)
        if func != self._work:
            self.tasks.append(task)
        return task


class C6LeaksSockets(Threads):
    copies: list[Any] = []  # noqa: RUF012

    def create_socket_pair(self) -> Any:
        pair = super().create_socket_pair()
        self.copies.append(pair[0].dup())
        return pair


class C6RemembersWhatWaits(Threads):
    """Keeps a handler alive if a callback was dispatched to it while it was stopped."""

    waiting: set[Any] = set()  # noqa: RUF012

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if self._state is State.STOPPED:
            self.waiting.add(self)
        super().dispatch_callback(callback)


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
