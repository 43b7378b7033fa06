"""Threads in a process that gevent or eventlet has patched. There they are greenlets.

A fork copies greenlets, so the threads of the parent must stand still in the child. Only a patched
process imports this module.
"""

from __future__ import annotations

import _thread
import functools
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from handler_core.execution import TaskThread
from handler_core.green import (
    FreezableTask,
    freeze_inherited,
    remove_frozen_listeners,
    renew_hub,
    resume_listeners,
    stop_frozen_watchers,
)
from handler_core.network import watch_closed_descriptors
from handler_core_threading._green_hub import call_in_hub, current_hub, in_hub

__all__ = ["GreenThread", "freeze_inherited_threads"]


class GreenThread(TaskThread):
    """A daemon thread that calls ``func(*args, **kwargs)``, and stands still in a forked child."""

    def __init__(
        self, func: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        super().__init__(func, args, kwargs)
        self._over = threading.Event()
        self._begins_later = False
        #: The hub that runs the thread.
        self.hub = current_hub()
        self._task = FreezableTask(super()._bootstrap_inner)  # type: ignore[misc]

    def _bootstrap_inner(self) -> None:
        """Begin, call :meth:`run`, and end. The new greenlet calls this."""
        self._task()

    def start(self) -> None:
        """Start the thread, and wait until it has begun.

        The hub cannot wait. There, in a signal handler, the thread begins when the hub turns next.
        """
        if in_hub():
            self._begins_later = True
            call_in_hub(functools.partial(_thread.start_new_thread, self._begin, ()))
        else:
            super().start()

    def _begin(self) -> None:
        super().start()
        self._begins_later = False

    def run(self) -> None:
        """Run the target, and note that it is over."""
        try:
            # `Thread.start` waits until its thread has begun. If this thread forked before that
            # caller has gone on, the caller would go on in the child too.
            time.sleep(0)
            super().run()
        finally:
            self._over.set()

    def is_alive(self) -> bool:
        """Return True while the thread has not ended.

        It ends with its hub, if not before. In a forked child, the parent's threads have ended.
        """
        return not self._never_goes_on() and (self._begins_later or super().is_alive())

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended; see :meth:`TaskThread.join`."""
        if not self._never_goes_on():
            super().join(timeout)

    def _never_goes_on(self) -> bool:
        return self._task.is_frozen() or self.hub.has_ended()

    def _wait_for_end(self, timeout: float | None) -> None:
        # On Python 3.13 eventlet's own `join` raises when the time is over.
        if self._over.wait(timeout):
            super()._wait_for_end(None)


def freeze_inherited_threads() -> None:
    """Let the parent's threads stand still. Only a forked child calls this, inside ``fork``."""
    gevent, hub = sys.modules.get("gevent._hub_local"), _eventlets_hub()
    if hub is not None:
        renew_hub(hub)  # gevent does that by itself
    if not freeze_inherited():
        return
    if hub is not None:
        hub.schedule_call_global(0, remove_frozen_listeners, hub)
    hub = gevent and gevent.get_hub_if_exists()
    if hub is not None:
        hub.loop.run_callback(stop_frozen_watchers, hub.loop)


def _eventlets_hub() -> Any:
    """Return eventlet's hub of this thread; None if there is none."""
    hubs = sys.modules.get("eventlet.hubs")
    return hubs and getattr(hubs._threadlocal, "hub", None)


def _resume_who_waits(fd: int) -> Callable[[], None] | None:
    hub = _eventlets_hub()
    return None if hub is None else resume_listeners(hub, fd, call_in_hub)


watch_closed_descriptors(_resume_who_waits)
