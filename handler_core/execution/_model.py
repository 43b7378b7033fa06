"""What a concurrency model says of itself, with the answers of threads as defaults.

The rest of this wing never asks which model it runs on. It parks, wakes, spawns and identifies
tasks through the methods here, and a model overrides those whose default is not right for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, ClassVar

from handler_core.execution._native_lock import NativeRLock
from handler_core.execution._thread_errors import report_error
from handler_core.execution._timeout import HandlerTimeoutError, timeout_error_class
from handler_core.execution._waiter import ThreadWaiter, Waiter

if TYPE_CHECKING:
    from handler_core.execution._interfaces import LockLike, Task

__all__ = ["Model"]


class Model:
    """How tasks start, wait and end in one concurrency model."""

    #: The base of what a ``get`` raises when its time is over. The class that is raised is a
    #: subclass of this one and of the builtin ``TimeoutError``.
    timeout_exception: ClassVar[type[HandlerTimeoutError]] = HandlerTimeoutError

    #: Called by a worker with what each callback has returned. A model sets it if a callback may
    #: leave something to be done, as a coroutine function does.
    finish_callback: Callable[[object], object] | None = None

    #: Which context (``contextvars``) a callback runs in. True is a copy of the context of whoever
    #: dispatched or linked it, as on asyncio. False is the context of the worker, which begins
    #: empty.
    keeps_context: ClassVar[bool] = False

    #: True if a task runs until it lets others run, as greenlets do and threads do not.
    cooperative: bool = False

    def new_waiter(self) -> Waiter:
        """Return a waiter with which the caller can park.

        Raises:
            RuntimeError: the caller runs the event loop and may not block. The message says
                what to do instead.
        """
        return ThreadWaiter()

    def new_native_rlock(self) -> LockLike:
        """Return a re-entrant lock that excludes every caller that may set a result or dispatch.

        Those callers are OS threads, in a process whose ``threading`` is patched too. The lock is
        re-entrant because a signal handler or a finalizer may set a result while its own thread
        holds the lock. Nothing ever waits while holding it.
        """
        return NativeRLock()

    def current_task(self) -> Hashable:
        """Return what tells the running task (thread, greenlet) from all others."""
        return threading.get_ident()

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> Task:
        """Run ``func(*args, **kwargs)`` in a task of its own.

        Works before ``start`` and after ``stop`` too. From any thread.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how to spawn")

    def spawn_worker(self, run: Callable[[], object], if_never_begun: Callable[[], object]) -> Task:
        """Run a worker in a task of its own.

        Called from any thread. A model with a hub or a loop starts it in the home thread, which is
        the one that called ``start``.

        Args:
            run: the loop of the worker.
            if_never_begun: what to call if the task ends before it has called ``run``: a greenlet
                that is killed may. It starts another worker. From any thread.

        Raises:
            RuntimeError: no task can be started now.
        """
        return self.spawn(run)

    def watch_home(self, waiter: Waiter) -> bool:
        """Wake ``waiter`` when the home thread ends; return False if it has ended already.

        A model has a home if its workers live in one certain thread.
        """
        return True

    @classmethod
    def timeout_error(cls, *args: Any) -> Exception:
        """Return the error that says that a time is over, for the author of a client to raise.

        Both ``except handler.timeout_exception`` and ``except TimeoutError`` catch it, as they
        catch what :meth:`AsyncResult.get` raises. It is an ``OSError`` too, for it is a builtin
        ``TimeoutError``. A client that takes any ``OSError`` for a broken connection raises
        ``handler.timeout_exception(...)`` itself, which is none.

        Args:
            args: what is wrong, as text. Or an ``errno`` and a text.
        """
        return timeout_error_class(cls.timeout_exception)(*args)

    def home_clock(self) -> Callable[[], float]:
        """Return what tells the time of the home, in seconds. Any thread may call what it returns.

        Timers are counted by it.
        """
        return time.monotonic

    def is_end_of_home(self, exception: BaseException) -> bool:
        """Return True if the home has ended a parked worker by this exception, and runs no other.

        That is where the loop or hub of the home is about to end.
        """
        return False

    def is_kill(self, exception: BaseException) -> bool:
        """Return True if this exception is a kill of the worker from outside.

        Called where a callback has raised ``exception``. A worker survives every exception that a
        callback raises of its own accord.
        """
        return False

    def give_way(self) -> None:
        """Let other tasks run, if they have waited for long. Called between two callbacks.

        Only a cooperative model needs it: there, a worker that always finds a callback would keep
        every other task from running.
        """

    def deliver_exit(self, exception: BaseException) -> None:
        """Raise ``KeyboardInterrupt`` or ``SystemExit`` of a callback where the model would.

        That is where the same exception of a spawned task would go.
        """
        report_error(exception)

    def freeze_inherited_tasks(self) -> None:
        """Let the tasks of the parent process stand still, for ever.

        Called in a forked child, inside ``fork``, without a lock. A model overrides it if its tasks
        are copied by a fork, as greenlets are. Threads are not.
        """
