"""The loop of programs that run none: one for each model and process, in a daemon thread."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable

from handler_core.execution import ThreadWaiter
from handler_core_greenlet._fork import runs_alone
from handler_core_greenlet._hub import LoopHub
from handler_core_greenlet._native import allocate_lock, start_os_thread, threads_are_green

__all__ = ["PrivateLoop"]


class PrivateLoop:
    """A loop that starts when its hub is first asked for, and again if it has ended.

    Args:
        name: the name of the loop's thread.
        run: a function that makes a loop and runs it for ever. It gets a function of one
            argument, and calls it from inside the loop with the loop's hub.
    """

    def __init__(self, name: str, run: Callable[[Callable[[LoopHub], None]], None]) -> None:
        self._name = name
        self._run = run
        # Re-entrant: a signal handler may need the hub while its thread waits for it here. Then
        # each of the two starts a loop, and both use the one that begins first.
        self._lock = threading.RLock()
        self._hubs: list[LoopHub] = []
        self._parents: list[LoopHub] = []
        _private_loops.add(self)

    def hub(self) -> LoopHub:
        """Return the loop's hub.

        Raises:
            RuntimeError: no thread can be started, or gevent or eventlet has patched the process.
            OSError: the loop cannot be made: there are no descriptors left, for example.
        """
        if threads_are_green() and not runs_alone():
            # The loop's thread would not be one of the library's, as all others are.
            raise RuntimeError(
                "no event loop runs in this thread, and a process that gevent or eventlet has "
                f"patched gets none of its own ({self._name}): call this where a loop runs, or "
                "choose the model that runs the caller, by get_handler()"
            )
        with self._lock:
            if not self._hubs or self._hubs[0].has_ended():
                self._start()
            return self._hubs[0]

    def _start(self) -> None:
        started = ThreadWaiter(allocate_lock)
        hubs: list[LoopHub] = []
        errors: list[BaseException] = []

        def begun(hub: LoopHub) -> None:
            hub.is_private = True
            hubs.append(hub)
            self._hubs = [*(each for each in self._hubs if not each.has_ended()), hub]
            started.wake()

        def run() -> None:
            try:
                self._run(begun)
            except BaseException as error:
                if hubs:
                    raise
                errors.append(error)
                started.wake()

        start_os_thread(run, self._name)
        started.park()
        if errors:
            raise errors[0]

    def leave_to_parent(self) -> None:
        """Start anew, without the thread, which only the parent has. A forked child calls this."""
        # The parent's hub is kept. A loop that is freed gives up what it watches, in the parent
        # too.
        self._parents += self._hubs
        self._hubs = []
        self._lock = threading.RLock()


_private_loops: weakref.WeakSet[PrivateLoop] = weakref.WeakSet()


def _leave_all_to_parent() -> None:
    for loop in _private_loops:
        loop.leave_to_parent()


os.register_at_fork(after_in_child=_leave_all_to_parent)
