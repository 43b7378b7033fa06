"""What happens to greenlets at fork: in the child, those of the parent's tasks stand still.

``os.fork`` copies the current thread, with all the greenlets that live in it. Without this module
each of them would go on with the parent's work in the child: read the next bytes of the parent's
connection, tick a second time. Other OS threads are not copied. But in a process that gevent or
eventlet has patched, the threads of ``threading`` are greenlets too.

The child may not end these greenlets. Their ``finally`` blocks would run, also in a subprocess that
is about to call ``exec``, and would give back what the parent still holds: they would delete its
lock files. So they are *frozen* in the child. A frozen greenlet is never resumed. It is never
freed either, since greenlets end when they are freed: ``_running`` and its own frame refer to it.

The greenlet of a task has a ``switch`` and a ``throw`` of its own, which do nothing once it is
frozen. Timers, watchers and locks take these two methods when the greenlet parks. So the greenlet
has them from its beginning.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from handler_core.execution._fork import this_process

__all__ = ["FreezableTask", "freeze_inherited", "frozen_greenlets", "is_frozen", "task_of"]


class FreezableTask:
    """A function that a new greenlet runs, and that stands still in a forked child.

    The greenlet calls this object, once. If the process forks before that, the call does nothing
    in the child.

    It imports the ``greenlet`` library when it is called. So only a process that has greenlets may
    call it.
    """

    __slots__ = ("_func", "_generation")

    def __init__(self, func: Callable[..., object]) -> None:
        self._func = func
        self._generation = this_process.generation

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Call the function."""
        if self.is_frozen():
            return
        func = self._func
        del self._func
        current = _greenlet().getcurrent()
        _running[current] = self
        self._guard_methods(current)
        try:
            func(*args, **kwargs)
        finally:
            del current.switch, current.throw, _running[current]

    def replace(self, func: Callable[..., object]) -> Callable[..., object]:
        """Have the call call ``func`` instead; return what it would have called."""
        replaced, self._func = self._func, func
        return replaced

    def has_not_begun(self) -> bool:
        """Return True before the call."""
        return hasattr(self, "_func")

    def is_frozen(self) -> bool:
        """Return True in a forked child, if the task is the parent's and has not forked it."""
        return self._generation != this_process.generation

    def adopt(self) -> None:
        """Go on in this process, because this task has forked it."""
        self._generation = this_process.generation

    def _guard_methods(self, greenlet: Any) -> None:
        """Have ``switch`` and ``throw`` of the greenlet do nothing while the task is frozen."""
        plain_switch, plain_throw = greenlet.switch, greenlet.throw

        def switch(*args: Any, **kwargs: Any) -> Any:
            if self._generation == this_process.generation:
                return plain_switch(*args, **kwargs)
            return None

        def throw(*args: Any) -> Any:
            if self._generation == this_process.generation:
                return plain_throw(*args)
            return None

        greenlet.switch, greenlet.throw = switch, throw


#: The task of each greenlet that runs one, whether it is frozen or not.
_running: dict[Any, FreezableTask] = {}

#: The generations in which tasks were frozen.
_frozen_in: dict[int, bool] = {}


def is_frozen(greenlet: object) -> bool:
    """Return True in a forked child for a greenlet of one of the parent's tasks."""
    task = _running.get(greenlet)
    return task is not None and task.is_frozen()


def task_of(greenlet: Any) -> FreezableTask | None:
    """Return the task that runs a greenlet, or an ancestor of it; None if none does."""
    while greenlet is not None and greenlet not in _running:
        greenlet = greenlet.parent
    return _running.get(greenlet)


def frozen_greenlets() -> list[Any]:
    """Return the greenlets of the parent's tasks. Empty, but in a forked child."""
    return [greenlet for greenlet, task in list(_running.items()) if task.is_frozen()]


def freeze_inherited() -> bool:
    """Let the task that has forked go on; return True if there are others, which are frozen.

    A forked child calls this, inside ``fork``, as often as it likes. A task has forked if it runs
    the current greenlet, or an ancestor of that one: called code may make greenlets of its own.
    """
    generation = this_process.generation
    if generation not in _frozen_in:
        current = _greenlet().getcurrent() if _running else None
        while current is not None:
            if current in _running:
                _running[current].adopt()
            current = current.parent
        _frozen_in[generation] = any(task.is_frozen() for task in _running.values())
    return _frozen_in[generation]


@functools.cache
def _greenlet() -> Any:
    return importlib.import_module("greenlet")
