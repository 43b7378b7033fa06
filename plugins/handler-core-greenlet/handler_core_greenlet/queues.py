"""``queue.Queue`` for greenlets of an event loop, and for threads, in any combination."""

from __future__ import annotations

import queue
from queue import Empty
from typing import Any

from handler_core.execution import Condition
from handler_core_greenlet.waiting import new_waiter

__all__ = ["Empty", "Queue"]


class Queue(queue.Queue[Any]):
    """A queue whose ``get``, ``put`` and ``join`` let the loop run while they wait.

    All methods are safe from any thread. ``put_nowait`` and ``get_nowait`` are also for coroutines.
    """

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        # The mutex stays what it is, a native lock: nobody waits while holding it.
        self.not_empty: Any = Condition(self.mutex, new_waiter)
        self.not_full: Any = Condition(self.mutex, new_waiter)
        self.all_tasks_done: Any = Condition(self.mutex, new_waiter)
