"""An event loop as a hub of greenlets.

A task is a greenlet whose parent is the greenlet that runs the loop. To park, it switches to its
parent, and the loop goes on. A callback of the loop switches back to it: for a timer, for a
descriptor, or for a call that another thread has sent. So code in blocking style runs on the
loop's own thread.

Only a :class:`TaskGreenlet` may park. Other code in the loop's thread gets a ``RuntimeError``: a
coroutine runs in the loop's own greenlet, and a greenlet of another library may have a parent that
waits for something of its own.
"""

from __future__ import annotations

import abc
import contextvars
import functools
import weakref
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, ClassVar, Protocol

import greenlet  # type: ignore[import-untyped]

from handler_core.execution import Waker
from handler_core.green import FreezableTask, GreenWaiter, Hub
from handler_core.network import FileObject, NestedPoll, SelectLists
from handler_core_greenlet._descriptor_watch import DescriptorWatch
from handler_core_greenlet._late_sends import Unsent, send_without_loop
from handler_core_greenlet._native import get_ident, local, threads_are_green
from handler_core_greenlet._siblings import (
    SiblingWaiter,
    is_hub_of_eventlet,
    is_stray,
    keep_strays_out,
)

__all__ = ["AwaitedCall", "LoopHub", "TaskGreenlet", "all_hubs", "hub_of_thread", "running_hub"]

_thread_local = local()

_hubs: weakref.WeakSet[LoopHub] = weakref.WeakSet()


class AwaitedCall(Protocol):
    """A call that a greenlet makes for a coroutine, as :meth:`LoopHub.wait_until_idle` sees it."""

    #: False while the called function runs or is parked. It is also True while the function wants
    #: the coroutine to await another one.
    idle: bool

    #: The loop's thread calls this when the greenlet is idle again.
    on_idle: Callable[[], object] | None

    def is_frozen(self) -> bool:
        """Return True in a forked child, if the function is the parent's and stands still."""

    def cancel(self, error: BaseException) -> None:
        """Raise ``error`` where the function is parked, or keep it for later.

        Only the loop's thread calls this.
        """

    def keeps_cancellations(self) -> bool:
        """Return True if :meth:`cancel` would only keep what it is given."""

    def kill(self) -> None:
        """End the function where it is parked, when the loop next turns. From any thread."""


class _ServedHandler(Protocol):
    """What a hub needs of a handler whose workers it runs."""

    def end_idle_workers(self) -> None:
        """End the workers that have nothing to run. Only the loop's thread calls this."""


class _Call(Protocol):
    """What a hub needs of the call for which a greenlet was made."""

    def park(self) -> object:
        """Switch to the loop; return when it switches back. Called in the greenlet."""

    def await_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Have a coroutine awaited; return or raise what it does. Called in the greenlet."""

    def leave_task(self) -> None:
        """Take the caller's task for the running one no longer. Called in the greenlet."""


class LoopHub(Hub):
    """The hub that an event loop is. It is made in the loop's thread, while the loop runs.

    A model says how the loop calls a function, and how it runs a coroutine.
    """

    title = "event loop"
    advice = "write `await result`, or `await handler.call(...)` with the function that blocks"

    #: The exception by which the loop's library cancels a coroutine.
    cancelled_error: ClassVar[type[BaseException]]

    #: What parks a greenlet that was made here.
    waiter_class: ClassVar[type[GreenWaiter]] = GreenWaiter

    #: True for the hub of a private loop, whose thread has no other purpose.
    is_private = False

    def __init__(self) -> None:
        super().__init__(local)
        # By their `id`. Another thread, or a signal handler, may add one while they are read.
        self._served: weakref.WeakValueDictionary[int, _ServedHandler] = (
            weakref.WeakValueDictionary()
        )
        #: What has bytes to send in the loop's next turns.
        self.unsent: set[Unsent] = set()
        #: True in a process that gevent or eventlet has patched. There, other greenlets of this
        #: thread run while the loop sleeps. What they give to the loop must wake it.
        self.shares_thread = threads_are_green()
        self.adopt()
        _hubs.add(self)

    # What a model says of its loop, beside what `Hub` asks.

    @classmethod
    @abc.abstractmethod
    def current(cls) -> LoopHub | None:
        """Return the hub of the loop that runs in this thread; None if no loop does."""

    @abc.abstractmethod
    def is_running(self) -> bool:
        """Return True while a thread runs the loop. Any thread may call this."""

    @abc.abstractmethod
    def run_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await a coroutine of the loop's library, while the current greenlet is parked.

        An exception that is thrown into the greenlet meanwhile cancels the coroutine.
        """

    @abc.abstractmethod
    async def wait_until_idle(self, call: AwaitedCall) -> None:
        """Wait, in a coroutine of the loop's library, until ``call`` is idle.

        If the coroutine is cancelled, hand that to :meth:`AwaitedCall.cancel`, and go on waiting.
        If the coroutine is closed (``GeneratorExit``), end the call by :meth:`AwaitedCall.kill`,
        and raise.
        """

    @abc.abstractmethod
    def getaddrinfo(self, *args: Any) -> Sequence[Any]:
        """Do what ``socket.getaddrinfo`` does, while the current greenlet is parked."""

    # What a model may say besides.

    def running_task(self) -> Any:
        """Return the task that the loop's library takes for the running one, or None."""
        return None

    def swap_task(self, task: Any) -> Any:
        """Have the loop's library take ``task`` for the running one; return the one before.

        Only the loop's thread calls this. It does nothing if the loop does not run.
        """
        return None

    def is_debugging(self) -> bool:
        """Return True if the loop is in debug mode; see :func:`watch_blocking_calls`."""
        return False

    def is_loop(self, greenlet: Any) -> bool:
        """Return True if this greenlet runs the loop. It may not wait.

        In a patched process, another greenlet of the loop's thread may.
        """
        return True

    # The thread of the loop.

    def adopt(self) -> None:
        """Take the current thread, which runs the loop, for the thread of the hub."""
        self._thread: int | None = get_ident()
        _thread_local.hub = self

    def is_mine(self) -> bool:
        """Return True in the thread that runs the loop."""
        # The loop's library could say which loop runs here. But asyncio then asks the system for
        # the number of the process, each time, and this is asked many times for each request.
        return self._thread == get_ident() and self.is_running()

    def is_in_this_thread(self) -> bool:
        """Return True in the loop's thread, also while the loop does not run."""
        return self._thread == get_ident()

    def leave_to_parent(self) -> None:
        """Belong to no thread of this process. Only a forked child calls this."""
        self._thread = None

    def is_forked(self) -> bool:
        """Return True in a forked child, where the loop is the parent's."""
        return self._thread is None

    # The end of the loop.

    def serve(self, handler: _ServedHandler) -> None:
        """Tell ``handler`` when the loop ends. Any thread may call this."""
        self._served[id(handler)] = handler

    def end(self) -> None:
        """Let the hub count as ended, and end what would wait in its loop for ever.

        A parked greenlet is never freed, because its own stack refers to it. So an idle worker
        would stay, and the hub and the loop with it. What the loop has still to send, a thread
        sends.
        """
        super().end()
        self.send_rest()
        for handler in [reference() for reference in self._served.valuerefs()]:
            if handler is not None:
                handler.end_idle_workers()

    def send_rest(self) -> None:
        """Send what the loop has still to send, without the loop. Any thread may call this."""
        unsent, self.unsent = self.unsent, set()
        send_without_loop(unsent)

    def wake_at_end(self, waiter: Waker) -> bool:
        """Wake ``waiter`` when the loop ends; return False if it has ended already.

        Raises:
            RuntimeError: this is the loop's thread, and the loop does not run. It would not run
                during the wait either.
        """
        if self.is_in_this_thread() and not self.is_running() and not self.has_ended():
            raise RuntimeError(
                "the event loop that would end this wait does not run: make this call while it "
                "does, by `await handler.call(...)`"
            )
        return super().wake_at_end(waiter)

    # How a greenlet begins, parks and goes on.

    def may_park(self, greenlet: Any) -> bool:
        """Return True for a greenlet that was made here, unless it has forked this process."""
        return isinstance(greenlet, TaskGreenlet) and greenlet.hub is not None

    def is_sibling(self, greenlet: Any) -> bool:
        """Return True for a greenlet of gevent or eventlet that the loop lets run while it sleeps.

        Args:
            greenlet: one of this thread.
        """
        return self.shares_thread and not (self.may_park(greenlet) or self.is_loop(greenlet))

    def new_waiter(self, greenlet: Any) -> GreenWaiter:
        """Return a waiter for the current greenlet; see :meth:`Hub.new_waiter`."""
        if self.may_park(greenlet):
            return self.waiter_class(self, greenlet)
        if self.is_sibling(greenlet):
            return SiblingWaiter(self, greenlet)
        return super().new_waiter(greenlet)  # it raises

    def switch(self) -> None:
        """Switch to the loop; return when it switches back to this greenlet."""
        current = greenlet.getcurrent()
        if current.call is None:
            current.parent.switch()
        else:
            current.call.park()

    def await_coroutine(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Await a coroutine in the current greenlet; return or raise what it does.

        If the greenlet calls its function for another coroutine, that one awaits it. Or else it
        gets a task of its own.

        Raises:
            RuntimeError: the caller may not park.
        """
        current = greenlet.getcurrent()
        if isinstance(current, TaskGreenlet) and current.call is not None:
            return current.call.await_coroutine(coroutine)
        return self.run_coroutine(coroutine)

    def spawn(self, func: Callable[[], object]) -> None:
        """Run ``func`` in a new greenlet, soon, in a copy of the caller's context."""
        self.call_soon(functools.partial(self._begin, func))

    def _begin(self, func: Callable[[], object]) -> None:
        TaskGreenlet(self, func).switch()

    def await_readable(
        self, nested: NestedPoll, waiter: GreenWaiter, timeout: float | None
    ) -> None:
        """Park until ``nested`` is readable, for ``timeout`` seconds at the most."""
        if isinstance(waiter, SiblingWaiter):
            waiter.await_readable(nested.fileno(), timeout)
            return
        watch = nested.watch
        if not isinstance(watch, DescriptorWatch) or watch.hub is not self:
            if watch is not None:
                watch.end(_do_nothing)
            watch = nested.watch = DescriptorWatch(self, nested.fileno())
        watch.wait(waiter, timeout)

    def select(
        self,
        greenlet: Any,
        rlist: Sequence[FileObject],
        wlist: Sequence[FileObject],
        xlist: Sequence[FileObject],
        timeout: float | None,
    ) -> SelectLists:
        """Wait as ``select.select`` does; see :meth:`Hub.select`.

        A connection that has been shut down counts as writable, since its ``send`` raises at once.
        The kernel does not say so while an heir still sends what was put aside.
        """
        ready = super().select(greenlet, rlist, wlist, xlist, timeout)
        over = {id(sock) for sock in wlist if getattr(sock, "sends_no_more", False) is True}
        if over:
            over.update(map(id, ready[1]))
            ready = ready[0], [sock for sock in wlist if id(sock) in over], ready[2]
        return ready

    def let_others_run(self, waiter: GreenWaiter) -> None:
        """Park for one turn of the loop, in which it looks at everything that is due."""
        self.call_soon(waiter.wake_at_once)
        waiter.park()


class TaskGreenlet(greenlet.greenlet):  # type: ignore[misc]
    """A greenlet that may park, while its hub's loop runs."""

    #: The call for which it was made; None for a task.
    call: _Call | None = None

    def __init__(self, hub: LoopHub, func: Callable[[], object]) -> None:
        # The parent is the loop's greenlet. That is the current one, unless a task makes another.
        current = greenlet.getcurrent()
        if not isinstance(func, FreezableTask):
            func = FreezableTask(func)
        super().__init__(func, current.parent if hub.may_park(current) else current)
        if hub.shares_thread:
            keep_strays_out(self.parent)
        #: The hub whose loop runs it. None in a forked child, for the greenlet that has forked.
        self.hub: LoopHub | None = hub
        self.gr_context = contextvars.copy_context()

    if threads_are_green():

        def switch(self, *args: Any, **kwargs: Any) -> Any:
            """Switch to this greenlet; see ``greenlet.switch``."""
            expected = self.parent is greenlet.getcurrent() or not is_stray(self)
            return super().switch(*args, **kwargs) if expected else None

    def __setattr__(self, name: str, value: object) -> None:
        # eventlet makes its hub the parent of each greenlet that waits in it. But the loop's
        # greenlet waits until this one switches back. eventlet is prepared for a ValueError.
        if name == "parent":
            raise ValueError("a task of an event loop returns to the loop")
        super().__setattr__(name, value)

    def switch_out(self) -> None:
        """Leave the task of asyncio to the loop. eventlet calls this before a wait in its hub."""
        if self.call is not None and is_hub_of_eventlet(self.parent):
            self.call.leave_task()

    def set_parent(self, parent: Any) -> None:
        """Return to ``parent`` at the end. Only a forked child calls this."""
        super().__setattr__("parent", parent)


def running_hub() -> LoopHub | None:
    """Return the hub whose loop runs in this thread; None if no loop of a hub does."""
    current = greenlet.getcurrent()
    hub = current.hub if isinstance(current, TaskGreenlet) else None
    hub = hub or hub_of_thread()  # a task that has forked may run a loop of its own
    return hub if hub is not None and hub.is_mine() else None


def hub_of_thread() -> LoopHub | None:
    """Return the hub that was last used in this thread, whether its loop runs or not."""
    return getattr(_thread_local, "hub", None)


def all_hubs() -> list[LoopHub]:
    """Return the hubs of all threads."""
    return list(_hubs)


def _do_nothing() -> None:
    """Be called when a watch has ended."""
