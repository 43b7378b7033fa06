"""gevent's queues, which say so when their hub was destroyed.

A queue of gevent belongs to the hub of the thread that made it, and wakes its callers by that hub.
After ``hub.destroy()`` nothing wakes them, not even in the next hub of the same thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent.queue  # type: ignore[import-untyped]

__all__ = ["LifoQueue", "Queue"]


class _OfOneHub:
    """A mixin: the greenlets of one hub may use the queue."""

    hub: Any
    empty: Callable[[], bool]

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take an item out; see ``gevent.queue.Queue.get``.

        Raises:
            RuntimeError: it would wait, and the queue's hub was destroyed.
        """
        if self.hub.loop is None and block and self.empty():
            raise _hub_is_gone()
        return super().get(block, timeout)  # type: ignore[misc]

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an item in; see ``gevent.queue.Queue.put``.

        Raises:
            RuntimeError: the queue's hub was destroyed.
        """
        if self.hub.loop is None:
            raise _hub_is_gone()
        super().put(item, block, timeout)  # type: ignore[misc]


class Queue(_OfOneHub, gevent.queue.Queue):  # type: ignore[misc]
    """gevent's queue. The greenlets of one hub may use it."""


class LifoQueue(_OfOneHub, gevent.queue.LifoQueue):  # type: ignore[misc]
    """gevent's queue that gives the last item first. The greenlets of one hub may use it."""


def _hub_is_gone() -> RuntimeError:
    return RuntimeError(
        "the gevent hub of this queue was destroyed, and would have to wake who waits for it: make "
        "a new queue, with handler.queue_impl()"
    )
