"""What a wrapper remembers of a callback from its dispatch to its run.

``dispatch_callback`` sees only the queueing, ``run_callback`` only the run, and what belongs to
both (the time, the context of a trace) must be kept in between. That is less easy than it looks:
one object may be dispatched twice, need not be hashable, and runs in another thread, perhaps before
its dispatch has returned; a handler may be dropped with its queue full, or find itself empty in
a forked child.

A callback is known by its ``id``. It is not kept alive by this, and need not be: until it has run
it lies in the handler's queue, and what is remembered goes with the handler.
"""

from __future__ import annotations

import _thread
import os
import weakref
from collections import deque
from typing import Any, Generic, TypeVar

from handler_core.callback import CallbackLike
from handler_core.handler import Handler

__all__ = ["Dispatched"]

T = TypeVar("T")


class Dispatched(Generic[T]):
    """Values that belong to dispatched callbacks which have not run yet.

    One object for each wrapper, whatever the number of its handlers. Safe from any OS thread, also
    in a signal handler or finalizer that dispatches in the midst of a dispatch.
    """

    def __init__(self) -> None:
        # Re-entrant, and native in a patched process too.
        self._lock = _thread.RLock()
        self._values: weakref.WeakKeyDictionary[Handler, dict[int, deque[T]]]
        self._values = weakref.WeakKeyDictionary()
        _instances.add(self)

    def remember(self, handler: Handler, callback: CallbackLike, value: T) -> None:
        """Keep a value for ``callback``; to be called before it is dispatched."""
        with self._lock:
            values = self._values.setdefault(handler, {})
            values.setdefault(id(callback), deque()).append(value)

    def take(self, handler: Handler, callback: CallbackLike) -> T | None:
        """Return what was remembered for ``callback``, which is about to run, and forget it.

        None for one that was not dispatched, such as a callback linked to a result. Of an object
        that was dispatched twice, the first one's value comes first.
        """
        return self._remove(handler, callback, newest=False)

    def forget(self, handler: Handler, callback: CallbackLike) -> None:
        """Undo the last :meth:`remember`: the callback was refused."""
        self._remove(handler, callback, newest=True)

    def count(self, handler: Handler) -> int:
        """Return how many callbacks of ``handler`` have been dispatched and have not run yet."""
        with self._lock:
            return sum(len(queued) for queued in list(self._values.get(handler, {}).values()))

    def handlers(self) -> list[Handler]:
        """Return the handlers that callbacks were dispatched to, and that are still in use."""
        with self._lock:
            return list(self._values)

    def _remove(self, handler: Handler, callback: CallbackLike, newest: bool) -> T | None:
        key = id(callback)
        with self._lock:
            values = self._values.get(handler, {})
            queued = values.get(key)
            if queued is None:
                return None
            value = queued.pop() if newest else queued.popleft()
            if not queued:
                del values[key]
                if queued:  # a signal handler has dispatched the same object just now
                    values.setdefault(key, deque()).extend(queued)
            return value

    def _start_afresh(self) -> None:
        """In a forked child: what the parent has queued is the parent's."""
        self._lock = _thread.RLock()
        self._values = weakref.WeakKeyDictionary()


_instances: weakref.WeakSet[Dispatched[Any]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for instance in list(_instances):
        instance._start_afresh()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
