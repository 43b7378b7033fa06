"""Threads in a process that gevent or eventlet has patched. There they are greenlets.

A forked child inherits greenlets, and must end them. Only a patched process imports this module.
"""

from __future__ import annotations

import _thread
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from handler_core.green import GreenletTasks, renew_epoll

__all__ = ["GreenThreads"]


class GreenThreads:
    """The threads of one handler."""

    def __init__(self) -> None:
        self._greenlets = GreenletTasks()

    def new_thread(
        self, func: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> threading.Thread:
        """Return a daemon thread that will call ``func(*args, **kwargs)``."""
        target = _as_target(self._greenlets.tracked(func))
        return _GreenThread(target=target, args=args, kwargs=kwargs, daemon=True)

    def end_inherited(self) -> None:
        """End the parent's threads. Only a forked child calls this."""
        _renew_hub()
        self._greenlets.end_inherited(lambda resume: _thread.start_new_thread(resume, ()))

    def is_exit(self, exception: BaseException) -> bool:
        """Return True if :meth:`end_inherited` has ended a thread by this exception."""
        return self._greenlets.is_exit(exception)


def _renew_hub() -> None:
    """Leave the parent's ``epoll`` to the parent, if eventlet has patched the process.

    gevent does this by itself.
    """
    hubs = sys.modules.get("eventlet.hubs")
    if hubs is not None:
        renew_epoll(getattr(hubs._threadlocal, "hub", None))


class _GreenThread(threading.Thread):
    """A thread whose ``join`` returns when its time is over.

    On Python 3.13 eventlet's ``join`` raises then.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._over = threading.Event()

    def run(self) -> None:
        """Run the target, and note that it is over."""
        try:
            super().run()
        finally:
            self._over.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended, for ``timeout`` seconds at the most."""
        if timeout is None or self is threading.current_thread() or self._over.wait(timeout):
            super().join()


def _as_target(func: Callable[..., object]) -> Callable[..., None]:
    """Return ``func`` as a target that a forked child can end safely."""

    def run(*args: Any, **kwargs: Any) -> None:
        # `Thread.start` waits until its thread has begun. If this thread forked before that caller
        # has gone on, the caller would go on in the child too.
        time.sleep(0)
        func(*args, **kwargs)
        # A forked child has forgotten the threads of its parent. A thread that is ended there looks
        # for itself among the living threads, and this call puts it there.
        threading.current_thread()

    return run
