"""Where callbacks and links are queued: ``dispatch_callback``, and the set of a linked result.

To queue a callback is to append it to a mailbox, and to wake the mailbox's worker if it is parked.
:mod:`handler_core.execution._mailbox` says why that needs no lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from handler_core.execution._mailbox import State
from handler_core.execution._run_items import run_items
from handler_core.execution._workers import Workers

if TYPE_CHECKING:
    from handler_core.execution._callback import CallbackLike
    from handler_core.execution._mailbox import Item

__all__ = ["Dispatch"]

# A global of its own, since each set of a linked result reads it.
_STOPPED = State.STOPPED


class Dispatch(Workers):
    """Workers whose mailboxes can be filled."""

    def dispatch_callback(self, callback: CallbackLike) -> None:
        """Queue ``callback``. Dispatched callbacks run one at a time, in this order.

        From any thread. On a handler that is not running, it waits for the next ``start``.

        Raises:
            TypeError: ``callback`` has no ``func`` or no ``args``.
        """
        mailbox = self._callbacks
        if not mailbox.post(callback):
            with self._lock:
                self._ensure_worker(mailbox)
            self._start_workers()

    def _queue_links(self, result: Any, links: list[Callable[[Any], object]]) -> bool:
        """Queue the linked callbacks of a result; return False if no worker will run them.

        Under the lock. The caller calls :meth:`_start_workers` after it.
        """
        if self._state is _STOPPED:
            return False
        mailbox = self._completions
        for link in links:
            mailbox.items.append((link, result))
        if not mailbox.busy:
            self._ensure_worker(mailbox)
        return True

    def _call_links(self, result: Any, links: list[Callable[[Any], object]]) -> None:
        """Call the linked callbacks here and now. Each is called, whatever the others raise.

        Without the lock. Each runs in a context of its own, as on a worker that has just begun: it
        may belong to another request than the caller and than the other links.
        """
        wanted: BaseException | None = None
        for link in links:
            items: deque[Item] = deque([(link, result)])
            try:
                Context().run(run_items, self, items, self._run_callback, None)
            except BaseException as exception:
                wanted = wanted or exception
        if wanted is not None:
            raise wanted
