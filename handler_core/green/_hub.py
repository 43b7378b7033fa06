"""What the models have in common whose tasks are greenlets.

A hub runs in each thread that has greenlets, and resumes them one at a time. Everything that a
model must say of its library is in :class:`Hub`: how to have something called by the hub (soon,
later, from another thread, when a descriptor is readable), and how to switch to it. From that,
here, once: how a greenlet parks, the tasks, the workers' home, ``select``, and fork.

**Waking from any thread.** A greenlet that parks leaves a waiter; whoever wakes it asks the
waiter's own hub to switch to it, over the thread-safe way if it is another thread. So a result
may be set by a greenlet of any hub and by a thread that has none, and a thread without a hub waits
for a result as threads do, on a native lock. The event and result classes of gevent and eventlet
are for one thread.

**Select.** The hub watches one descriptor, an ``epoll`` with all the others: see
:func:`handler_core.network.cooperative_select`. So it does not matter how many there are, whether
others watch them too, and what the hub's own poll can report.
"""

from __future__ import annotations

import abc
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from handler_core.execution._waiter import Waiter
from handler_core.green._waiter import GreenWaiter
from handler_core.network._nested_epoll import NestedEpoll
from handler_core.network._poll_set import take_poll_set
from handler_core.network._select import LONGEST_TURN, SHORTEST_SLEEP, cooperative_select
from handler_core.network._select_arguments import FileObject, SelectLists

__all__ = ["Hub"]


class Hub(abc.ABC):
    """The hub of one thread.

    A model has one object for each thread's hub, makes it in that thread, and finds it again by
    :meth:`GreenHandler.current_hub`.

    Args:
        native_local: ``threading.local`` as it was before patching.
    """

    def __init__(self, native_local: Callable[[], Any]) -> None:
        #: When a greenlet last parked, by ``time.monotonic``.
        self.parked_at = time.monotonic()
        end = _ThreadEnd()
        self._end = weakref.ref(end)
        self._of_thread = native_local()
        self._of_thread.end = end

    #: What it is called in an error.
    title: ClassVar[str]

    #: What to write in place of a call that would block it.
    advice: ClassVar[str] = "call it in a greenlet of its own, with handler.spawn(...)"

    @abc.abstractmethod
    def may_park(self, greenlet: Any) -> bool:
        """Return False for a greenlet that may not: the one that runs the hub."""

    @abc.abstractmethod
    def is_mine(self) -> bool:
        """Return True in the thread of this hub."""

    def has_ended(self) -> bool:
        """Return True if the hub's thread has ended."""
        return self._end() is None

    def wake_at_end(self, waiter: Waiter) -> bool:
        """Wake ``waiter`` if the hub's thread ends; False if it has ended already."""
        end = self._end()
        if end is None:
            return False
        end.waiters.add(waiter)
        return True

    @abc.abstractmethod
    def spawn(self, func: Callable[[], object]) -> None:
        """Run ``func`` in a new greenlet. In the hub's thread."""

    @abc.abstractmethod
    def call_soon(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. In the hub's thread."""

    @abc.abstractmethod
    def call_soon_threadsafe(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. From any thread, and it wakes at once."""

    @abc.abstractmethod
    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` in so many seconds; return what cancels that."""

    @abc.abstractmethod
    def add_reader(self, fd: int, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` while ``fd`` is readable; return what ends that."""

    @abc.abstractmethod
    def switch(self) -> None:
        """Switch to the hub, until it switches back to this greenlet.

        Somebody in another thread may be about to wake it: a hub that has nothing else to wait
        for must wait.
        """

    def call(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. From any thread."""
        if self.is_mine():
            self.call_soon(func)
        else:
            self.call_soon_threadsafe(func)

    # What is made of that.

    def new_waiter(self, greenlet: Any) -> GreenWaiter:
        """Return a waiter for the current greenlet.

        Raises:
            RuntimeError: it may not park.
        """
        if not self.may_park(greenlet):
            raise RuntimeError(
                f"this would block the {self.title}, which runs all greenlets of this thread: "
                + self.advice
            )
        return GreenWaiter(self, greenlet)

    def await_readable(
        self, nested: NestedEpoll, waiter: GreenWaiter, timeout: float | None
    ) -> None:
        """Park until ``nested`` is readable, for ``timeout`` seconds at the most."""
        stop = self.add_reader(nested.fileno(), waiter.wake_at_once)
        try:
            waiter.park(timeout)
        finally:
            stop()

    def let_others_run(self, waiter: GreenWaiter) -> None:
        """Park until everybody else who is due has run."""
        waiter.park(SHORTEST_SLEEP)

    def select(
        self,
        greenlet: Any,
        rlist: Sequence[FileObject],
        wlist: Sequence[FileObject],
        xlist: Sequence[FileObject],
        timeout: float | None,
    ) -> SelectLists:
        """Wait as ``select.select`` does, in the current greenlet, while others run.

        A caller that finds something ready does not park. So that a loop around it does not
        keep the others from running, it does park once it has gone on for some milliseconds.
        """
        interest, sockets = take_poll_set(rlist, wlist, xlist)
        if time.monotonic() - self.parked_at > LONGEST_TURN and self.may_park(greenlet):
            self.let_others_run(GreenWaiter(self, greenlet))

        def await_readable(nested: NestedEpoll, timeout: float | None) -> None:
            self.await_readable(nested, self.new_waiter(greenlet), timeout)

        return cooperative_select(interest, sockets, timeout, await_readable)


class _ThreadEnd:
    """Lies in a thread's local storage, where nobody but the thread's end frees it."""

    __slots__ = ("__weakref__", "waiters")

    def __init__(self) -> None:
        self.waiters: weakref.WeakSet[Waiter] = weakref.WeakSet()

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if not is_finalizing():  # when modules are gone, and nobody waits
            for waiter in self.waiters:
                waiter.wake()
