"""The hub: what a model says of its greenlet library.

A hub runs in each thread that has greenlets, and resumes them one at a time. A model subclasses
:class:`Hub` and says how its library's hub calls a function (soon, later, from another thread,
when a descriptor is readable) and how a greenlet switches to it. Waiters, tasks, the home of the
workers and ``select`` need nothing else.

**Waking from any thread.** A parked greenlet leaves a waiter behind, and the waiter knows its own
hub. To wake it means to ask that hub to switch to the greenlet, by the thread-safe way if the
caller is in another thread. So a greenlet of any hub may set a result, and so may a thread that
has no hub. A thread without a hub waits for a result as threads do, on a native lock. The event
and result classes of gevent and eventlet work in one thread only.

**Select.** The hub watches one descriptor that stands for all the others, see
:class:`handler_core.network.NestedPoll`. So it does not matter how many descriptors there
are, whether other callers watch them too, and what the hub's own poll can report.
"""

from __future__ import annotations

import abc
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from handler_core.execution._waiter import Waker
from handler_core.green._hub_end import HubEnd
from handler_core.green._waiter import GreenWaiter
from handler_core.network._nested_poll import NestedPoll
from handler_core.network._poll_set import take_poll_set
from handler_core.network._select import (
    LONGEST_TURN,
    SHORTEST_SLEEP,
    cooperative_select,
    select_or_park,
)
from handler_core.network._select_arguments import FileObject, SelectLists

__all__ = ["Hub", "distance_to_hub"]


class Hub(abc.ABC):
    """The hub of one thread.

    A model makes one object for the hub of each thread. It makes it in that thread, and
    :meth:`GreenHandler.current_hub` finds it again.

    Args:
        native_local: ``threading.local`` as it was before patching.
    """

    def __init__(self, native_local: Callable[[], Any]) -> None:
        #: When a greenlet last parked, by ``time.monotonic``.
        self.parked_at = time.monotonic()
        #: The local storage of the hub's thread. What a model stores in it ends with the thread.
        self.thread_local = native_local()
        self._end = HubEnd(self.thread_local)

    #: The hub's name in an error message.
    title: ClassVar[str]

    #: False once the program has destroyed the hub. Its greenlets are not resumed then, whatever
    #: still calls for them; the main greenlet of the thread is, and goes on in the next hub.
    resumes = True

    #: What an error message tells the caller to write in place of a call that would block the hub.
    advice: ClassVar[str] = "call it in a greenlet of its own, with handler.spawn(...)"

    # What a model says of its library.

    @abc.abstractmethod
    def may_park(self, greenlet: Any) -> bool:
        """Return True if this greenlet may park. The one that runs the hub may not."""

    @abc.abstractmethod
    def is_mine(self) -> bool:
        """Return True in the thread of this hub."""

    @abc.abstractmethod
    def spawn(self, func: Callable[[], object]) -> None:
        """Run ``func`` in a new greenlet. Only the hub's thread calls this."""

    @abc.abstractmethod
    def call_soon(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. Only the hub's thread calls this.

        A signal handler may call it while the hub sleeps. That wakes the hub at once.
        """

    @abc.abstractmethod
    def call_soon_threadsafe(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``, and wake the hub at once. Any thread may call this."""

    def call_later(self, seconds: float, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` in so many seconds; return a function that cancels it.

        A hub whose own waiters count the time needs none.
        """
        raise NotImplementedError

    def add_reader(self, fd: int, func: Callable[[], object]) -> Callable[[], None]:
        """Have the hub call ``func`` while ``fd`` is readable; return a function that ends it.

        A hub with an ``await_readable`` of its own needs none.
        """
        raise NotImplementedError

    @abc.abstractmethod
    def switch(self) -> None:
        """Switch to the hub; return when it switches back to this greenlet.

        Another thread may be about to wake the greenlet. So a hub that has nothing else to wait
        for must wait, and may not end.
        """

    # What a model may override.

    def has_ended(self) -> bool:
        """Return True if the hub has ended: its thread has, or :meth:`end` was called.

        The greenlets of such a hub never go on.
        """
        return self._end.has_come()

    def clock(self) -> float:
        """Return the time in seconds by which the hub counts timeouts. Any thread may ask."""
        return time.monotonic()

    def await_readable(
        self, nested: NestedPoll, waiter: GreenWaiter, timeout: float | None
    ) -> None:
        """Park until ``nested`` is readable, for ``timeout`` seconds at the most."""
        stop = self.add_reader(nested.fileno(), waiter.wake_at_once)
        try:
            waiter.park(timeout)
        finally:
            stop()

    def let_others_run(self, waiter: GreenWaiter) -> None:
        """Park until every other greenlet that is due has run."""
        waiter.park(SHORTEST_SLEEP)

    def leave_frozen(self) -> None:
        """Wait for nothing more that only frozen greenlets wait for, from the next turn on.

        A forked child calls this, inside ``fork``, in the hub's thread: once for each handler. A
        hub that takes no turn in a child needs nothing.
        """
        return

    # What a model gets.

    def call(self, func: Callable[[], object]) -> None:
        """Have the hub call ``func``. Any thread may call this."""
        if self.is_mine():
            self.call_soon(func)
        else:
            self.call_soon_threadsafe(func)

    def wake_at_end(self, waiter: Waker) -> bool:
        """Wake ``waiter`` when the hub ends; return False if it has ended already.

        The waiter is not kept alive.
        """
        return not self.has_ended() and self._end.watch(waiter)

    def end(self) -> None:
        """Let the hub count as ended, before its thread ends. Any thread may call this.

        It wakes the waiters of :meth:`wake_at_end`.
        """
        self._end.come()

    def new_waiter(self, greenlet: Any) -> GreenWaiter:
        """Return a waiter for the current greenlet.

        Raises:
            RuntimeError: the greenlet may not park.
        """
        if not self.may_park(greenlet):
            raise RuntimeError(
                f"this would block the {self.title}, which runs all greenlets of this thread: "
                + self.advice
            )
        return GreenWaiter(self, greenlet)

    def select(
        self,
        greenlet: Any,
        rlist: Sequence[FileObject],
        wlist: Sequence[FileObject],
        xlist: Sequence[FileObject],
        timeout: float | None,
    ) -> SelectLists:
        """Wait as ``select.select`` does, in the current greenlet, while others run.

        A caller does not park if something is ready. A loop around it could then keep the other
        greenlets from running, so it does park once it has gone on for some milliseconds.
        """

        def await_readable(nested: NestedPoll, timeout: float | None) -> None:
            self.await_readable(nested, self.new_waiter(greenlet), timeout)

        if time.monotonic() - self.parked_at <= LONGEST_TURN or not self.may_park(greenlet):
            return select_or_park(rlist, wlist, xlist, timeout, await_readable, self.clock)
        poll_set, sockets = take_poll_set(rlist, wlist, xlist)  # others may close a socket now
        self.let_others_run(self.new_waiter(greenlet))
        return cooperative_select(poll_set, sockets, timeout, await_readable, self.clock)


def distance_to_hub(greenlet: Any, hub: Any) -> float:
    """Return how far up ``hub`` is from ``greenlet``; infinity if the hub does not run it.

    A model with a hub returns this from :meth:`handler_core.Handler.distance_to_caller`.

    Args:
        greenlet: the current greenlet.
        hub: the greenlet that runs the hub of this thread; None if there is none.
    """
    steps = 0
    while greenlet is not None:
        if greenlet is hub:
            # In the hub itself the distance is that of its children. A loop that runs in it is
            # nearer.
            return max(steps, 1) - 0.5
        greenlet = greenlet.parent
        steps += 1
    return math.inf
