"""``queue.Queue`` between greenlets of event loops and threads, in any combination."""

from __future__ import annotations

import queue
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

__all__ = ["Empty", "Queue"]


class Queue(_native.Queue[Any]):
    """A queue whose ``get``, ``put`` and ``join`` let the loop run while they wait.

    All methods are safe from any thread. Coroutines may call ``put_nowait`` and ``get_nowait``.
    """

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        # The mutex is a native lock. No caller holds it while it waits.
        self.mutex = allocate_lock()
        self.not_empty: Any = Condition(self.mutex, new_waiter)
        self.not_full: Any = Condition(self.mutex, new_waiter)
        self.all_tasks_done: Any = Condition(self.mutex, new_waiter)
