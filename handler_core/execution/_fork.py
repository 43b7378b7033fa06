"""What happens to handlers when the process forks.

The lock of each handler is held across ``os.fork``. So the child finds each handler between two
operations, never in the middle of one. There the handler becomes empty and stopped
(:meth:`Forkable.after_fork_in_child`), and the tasks of the parent stand still
(:meth:`Forkable.freeze_inherited_tasks`).
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from handler_core.execution._native_lock import NativeRLock

__all__ = ["free_in_child", "run_in_child", "running_handlers", "this_process", "watch_for_fork"]


class Forkable(Protocol):
    """What this module needs of a handler."""

    _lock: Any

    @property
    def running(self) -> bool:
        """True from ``start`` to ``stop``."""

    def after_fork_in_child(self) -> None:
        """Become empty and stopped, under the lock."""

    def freeze_inherited_tasks(self) -> None:
        """Let the tasks of the parent process stand still, for ever."""


class _ThisProcess:
    """What tells this process from its ancestors."""

    __slots__ = ("generation",)

    def __init__(self) -> None:
        #: How many forks lie between this process and the one that has imported this module.
        self.generation = 0


class _ForkGuard:
    """Holds the lock of each handler while the process forks.

    There is one for the process, with weak references to the handlers: a function that was given
    to ``os.register_at_fork`` stays registered for ever.
    """

    def __init__(self) -> None:
        # A native lock, in a patched process too: a green one could switch in the midst of a fork.
        self._lock = NativeRLock()
        self._handlers: weakref.WeakSet[Forkable] = weakref.WeakSet()
        self._held: list[Forkable] = []
        self.in_child: list[Callable[[], object]] = []
        self.dropped: list[object] = []

    def add(self, handler: Forkable) -> None:
        with self._lock:
            self._handlers.add(handler)

    def handlers(self) -> list[Forkable]:
        with self._lock:
            return list(self._handlers)

    def before(self) -> None:
        self._lock.acquire()
        self._held = list(self._handlers)
        for handler in self._held:
            handler._lock.acquire()

    def after_in_parent(self) -> None:
        held, self._held = self._held, []
        for handler in held:
            handler._lock.release()
        self._lock.release()

    def after_in_child(self) -> None:
        this_process.generation += 1
        held = self._held
        for handler in held:
            handler.after_fork_in_child()
        self.after_in_parent()
        for handler in held:
            handler.freeze_inherited_tasks()
        for func in self.in_child:
            func()
        self.dropped.clear()


this_process = _ThisProcess()

_guard = _ForkGuard()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_guard.before,
        after_in_parent=_guard.after_in_parent,
        after_in_child=_guard.after_in_child,
    )


def running_handlers() -> list[Any]:
    """Return the handlers of this process that run, of all models."""
    return [handler for handler in _guard.handlers() if handler.running]


#: ``run_in_child(func)`` has each forked child call ``func``, when its handlers are empty and the
#: tasks of the parent stand still.
run_in_child = _guard.in_child.append

#: ``free_in_child(object)`` keeps what a handler has dropped until all handlers have given back
#: their locks: a finalizer may wait for another thread, which may need one. Only
#: :meth:`Forkable.after_fork_in_child` calls it.
free_in_child = _guard.dropped.append

#: ``watch_for_fork(handler)`` has a handler survive forks from now on. It is not kept alive.
watch_for_fork = _guard.add
