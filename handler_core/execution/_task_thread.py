"""A thread as a task: a daemon thread that refuses what could never end.

The program does not wait for daemon threads. When it ends, they stop where they are. A finalizer
that runs after that would wait for them for ever, or for the start of a new one.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from handler_core.execution._joins import Joinable, joining

__all__ = ["TaskThread"]


class TaskThread(Joinable, threading.Thread):
    """A daemon thread that calls ``func(*args, **kwargs)``. :meth:`start` starts it.

    Args:
        func: the function.
        args: its positional arguments.
        kwargs: its keyword arguments.
        name: the name of the thread.
    """

    def __init__(
        self,
        func: Callable[..., object],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(target=func, args=args, kwargs=dict(kwargs or {}), name=name, daemon=True)

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: no thread can be started now.
        """
        if sys.is_finalizing():  # Python 3.11 would start it and wait for its first step
            raise RuntimeError("can't start new thread at interpreter shutdown")
        super().start()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended, for ``timeout`` seconds at the most.

        Raises:
            RuntimeError: the thread itself has called this, or one that the thread waits for by its
                own ``join``. Or the interpreter is ending, and the thread never goes on.
        """
        caller = threading.current_thread()
        with joining(caller if isinstance(caller, TaskThread) else None, self, timeout):
            self._wait_for_end(timeout)

    def _wait_for_end(self, timeout: float | None) -> None:
        if timeout is None and sys.is_finalizing() and self.is_alive():
            raise RuntimeError(
                "the interpreter is ending, and this thread never goes on: join it before, in a "
                "function that atexit.register() was given"
            )
        super().join(timeout)
