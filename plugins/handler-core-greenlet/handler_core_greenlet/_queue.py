"""``queue.Queue`` between greenlets of event loops and threads, in any combination."""

from __future__ import annotations

import queue
from collections.abc import Callable
from queue import Empty
from typing import TYPE_CHECKING, Any

from handler_core.execution import Condition
from handler_core_greenlet._native import allocate_lock, unpatched
from handler_core_greenlet._sleep_and_select import new_waiter

if TYPE_CHECKING:
    import queue as _native
else:
    _native = unpatched("queue")
    # It raises the exceptions that the program knows.
    _native.Full = queue.Full
    if hasattr(queue, "ShutDown"):  # since Python 3.13
        _native.ShutDown = queue.ShutDown

__all__ = ["Empty", "LifoQueue", "Queue"]


class Queue(_native.Queue[Any]):
    """A queue whose ``get``, ``put`` and ``join`` let the loop run while they wait.

    All methods are safe from any thread. Coroutines may call ``put_nowait`` and ``get_nowait``.
    """

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        # The mutex is a native lock. No caller holds it while it waits.
        self.mutex = allocate_lock()
        self.not_empty: Any = _TimedCondition(self.mutex, Empty, lambda: not self._qsize())
        self.not_full: Any = _TimedCondition(
            self.mutex, queue.Full, lambda: self._qsize() >= self.maxsize
        )
        self.all_tasks_done: Any = Condition(self.mutex, new_waiter)


class LifoQueue(Queue):
    """A queue that gives the last item first."""

    # As in the standard library, whose class is no subclass of this queue.
    _init = _native.LifoQueue._init
    _qsize = _native.LifoQueue._qsize
    _put = _native.LifoQueue._put
    _get = _native.LifoQueue._get


class _TimedCondition(Condition):
    """Raises an error when the time of a wait is over.

    The queue itself would compare the time with that of ``time.monotonic``. But the loop counts the
    time, perhaps by a clock of its own.
    """

    def __init__(self, mutex: Any, error: type[Exception], must_wait: Callable[[], bool]) -> None:
        super().__init__(mutex, new_waiter)
        self._error = error
        self._must_wait = must_wait

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a ``notify``; see :meth:`Condition.wait`."""
        woken = super().wait(timeout)
        if not woken and self._must_wait():
            raise self._error
        return woken
