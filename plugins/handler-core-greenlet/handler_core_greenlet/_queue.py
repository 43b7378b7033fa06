"""``queue.Queue`` between greenlets of event loops and threads, in any combination."""

from __future__ import annotations

import queue
from queue import Empty
from typing import Any

from handler_core.execution import Condition
from handler_core_greenlet._sleep_and_select import new_waiter

__all__ = ["Empty", "Queue"]


class Queue(queue.Queue[Any]):
    """A queue whose ``get``, ``put`` and ``join`` let the loop run while they wait.

    All methods are safe from any thread. Coroutines may call ``put_nowait`` and ``get_nowait``.
    """

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        # The mutex stays a native lock. No caller holds it while it waits.
        self.not_empty: Any = Condition(self.mutex, new_waiter)
        self.not_full: Any = Condition(self.mutex, new_waiter)
        self.all_tasks_done: Any = Condition(self.mutex, new_waiter)
