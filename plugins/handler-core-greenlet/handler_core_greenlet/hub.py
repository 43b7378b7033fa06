"""An event loop as a hub of greenlets.

A task is a greenlet whose parent is the greenlet that runs the loop. To park, it switches to its
parent, and the loop goes on; a callback of the loop, for a timer or a descriptor, or what another
thread has sent, switches back to it. So code in blocking style runs on the loop's own thread.

Only a greenlet that was made here may park. What else runs in the loop's thread, a coroutine or a
greenlet of somebody else's, whose parent waits for something of its own, gets a ``RuntimeError``.
"""

from __future__ import annotations

import abc
import contextvars
import functools
import threading
import weakref
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

import greenlet  # type: ignore[import-untyped]

from handler_core.green import GreenWaiter, Hub
from handler_core.network import NestedEpoll
from handler_core_greenlet.watching import LoopWatch

if TYPE_CHECKING:
    from handler_core_greenlet.strand import Strand

__all__ = ["LoopHub", "TaskGreenlet", "hub_of_thread", "leave_hubs_to_parent", "running_hub"]

_of_thread = threading.local()

_hubs: weakref.WeakSet[LoopHub] = weakref.WeakSet()


class TaskGreenlet(greenlet.greenlet):  # type: ignore[misc]
    """A greenlet that may park, while its hub's loop runs."""

    def __init__(self, hub: LoopHub, func: Callable[[], object]) -> None:
        current = greenlet.getcurrent()
        # The loop's greenlet, in which this is made, but where a task makes another.
        super().__init__(func, current.parent if isinstance(current, TaskGreenlet) else current)
        #: The hub whose loop runs it; None in a child that it has forked itself.
        self.hub: LoopHub | None = hub
        self.gr_context = contextvars.copy_context()


def running_hub() -> LoopHub | None:
    """Return the hub whose loop runs in this thread; None if there is no such."""
    current = greenlet.getcurrent()
    hub = current.hub if isinstance(current, TaskGreenlet) else hub_of_thread()
    return hub if hub is not None and hub.is_mine() else None


def hub_of_thread() -> LoopHub | None:
    """Return the hub that was last used in this thread, whether its loop runs or not."""
    return getattr(_of_thread, "hub", None)


def leave_hubs_to_parent() -> None:
    """Let no hub be taken for one of this process: it is a forked child."""
    for hub in _hubs:
        hub._thread = None


class LoopHub(Hub):
    """The hub that an event loop is. It is made in the loop's thread, while the loop runs.

    A model says how to have the loop call something, and how it runs a coroutine.
    """

    title = "event loop"
    advice = "write `await result`, or `await handler.call(...)` with the function that blocks"

    #: True for the hub of a private loop, whose thread has no other purpose.
    is_private = False

    def __init__(self) -> None:
        super().__init__(threading.local)
        self.adopt()
        _hubs.add(self)

    def adopt(self) -> None:
        """Take the current thread, which runs the loop, for that of the hub."""
        self._thread: int | None = threading.get_ident()
        _of_thread.hub = self

    def is_mine(self) -> bool:
        """Return True in the thread that runs the loop."""
        # Not by asking the loop's library which loop runs here: asyncio asks the system for the
        # number of the process, each time, and this is asked many times for each request.
        return self._thread == threading.get_ident() and self.is_running()

    @classmethod
    @abc.abstractmethod
    def current(cls) -> LoopHub | None:
        """Return the hub of the loop that runs in this thread; None if there is none."""

    @abc.abstractmethod
    def is_running(self) -> bool:
        """Return True while some thread runs the loop. From any thread."""

    @abc.abstractmethod
    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await a coroutine of the loop's library, while the current greenlet is parked.

        An exception that is thrown into the greenlet meanwhile cancels it.
        """

    @abc.abstractmethod
    async def until_idle(self, strand: Strand) -> None:
        """Wait, in a coroutine of the loop's library, until ``strand`` is idle.

        If the coroutine is cancelled, raise that in the strand, by :meth:`Strand.throw`, and go on
        waiting; unless it is idle by then. If nobody will go on with the coroutine
        (``GeneratorExit``), :meth:`Strand.kill` it, and raise.
        """

    @abc.abstractmethod
    def getaddrinfo(self, *args: Any) -> Sequence[Any]:
        """Do what ``socket.getaddrinfo`` does, while the current greenlet is parked."""

    def end(self) -> None:
        """Wake those who would hear of the hub's end: the loop is about to close. In its thread."""
        self._of_thread.end = None

    def is_in_this_thread(self) -> bool:
        """Return True in the thread whose loop it is, also while the loop does not run."""
        return self._thread == threading.get_ident()

    def is_forked(self) -> bool:
        """Return True in a forked child, where the loop is that of the parent."""
        return self._thread is None

    def may_park(self, greenlet: Any) -> bool:
        """Return True for a greenlet that was made here."""
        return isinstance(greenlet, TaskGreenlet)

    def switch(self) -> None:
        """Switch to the loop, until it switches back to this greenlet."""
        greenlet.getcurrent().parent.switch()

    def spawn(self, func: Callable[[], object]) -> None:
        """Run ``func`` in a new greenlet, soon, in a copy of the caller's context."""
        self.call_soon(functools.partial(self._begin, func))

    def _begin(self, func: Callable[[], object]) -> None:
        TaskGreenlet(self, func).switch()

    def await_readable(
        self, nested: NestedEpoll, waiter: GreenWaiter, timeout: float | None
    ) -> None:
        """Park until ``nested`` is readable, for ``timeout`` seconds at the most."""
        watch = nested.watch
        if not isinstance(watch, LoopWatch) or watch.hub is not self:
            if watch is not None:
                watch.end(int)  # which does nothing
            watch = nested.watch = LoopWatch(self, nested.fileno())
        watch.wait(waiter, timeout)

    def let_others_run(self, waiter: GreenWaiter) -> None:
        """Park for one turn of the loop, which looks at everything that is due."""
        self.call_soon(waiter.wake_at_once)
        waiter.park()
