"""The ``abort()`` of a hub like eventlet's, and who hears of it.

eventlet has no hook for that. An ``abort()`` drops all timers of the hub. So no greenlet that waits
there goes on, though the hub may run again.
"""

from __future__ import annotations

import weakref
from typing import Any, Protocol

__all__ = ["tell_at_abort"]


class _AbortListener(Protocol):
    def hub_aborted(self) -> None:
        """Be told, in the hub's thread, before the hub drops what waits in it."""


def tell_at_abort(hub: Any, listener: _AbortListener) -> None:
    """Have ``listener.hub_aborted()`` called at each ``abort()`` of a hub that runs.

    Only the hub's thread calls this.

    Args:
        hub: eventlet's own hub of a thread, or one like it.
        listener: it is not kept alive.
    """
    if not hasattr(hub, "handler_core_abort_listeners"):
        hub.handler_core_abort_listeners = _hear_of_abort(hub)
    hub.handler_core_abort_listeners.add(listener)


def _hear_of_abort(hub: Any) -> weakref.WeakSet[_AbortListener]:
    """Put a function in front of the hub's ``abort``; return the set of those that it tells."""
    listeners: weakref.WeakSet[_AbortListener] = weakref.WeakSet()
    abort = hub.abort

    def tell_and_abort(wait: bool = False) -> None:
        if hub.running:
            for listener in list(listeners):
                listener.hub_aborted()
        abort(wait)

    hub.abort = tell_and_abort
    return listeners
