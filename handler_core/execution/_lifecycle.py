"""Start, stop, and the drain between them.

**A stop is a message.** ``stop`` puts a :class:`~handler_core.execution._mailbox.Drain` into the
mailbox of the callbacks. When its worker finds the drain, all that was dispatched before has run.
The worker ends, and puts the drain into the mailbox of the completions, behind the links that those
callbacks have set off. There the drain moves to the end again and again until it is alone. Then
that worker ends too, and the handler is stopped.

If there is a worker of timers, the drain goes on to it, and waits there for the function that it
calls. If that has set off links, the drain goes back to the completions. At its end, what is still
pending of the timers is dropped.

So nothing has to be counted. What is dispatched meanwhile lies behind the drain until the next
``start``. A ``start`` during the drain only says that this drain ends no worker, and the same
workers go on. kazoo sets a flag and joins its threads. With a flag, no moment separates the
callbacks before the stop from those after it. And kazoo's ``stop`` deadlocks when a callback calls
it.
"""

from __future__ import annotations

import sys
from contextvars import Context
from typing import TYPE_CHECKING, NoReturn

from handler_core.execution._logger import logger
from handler_core.execution._mailbox import Drain, Mailbox, State, Worker
from handler_core.execution._result import AsyncResult
from handler_core.execution._timing import Timing

if TYPE_CHECKING:
    from handler_core.execution._timer_heap import TimerHeap

__all__ = ["Lifecycle"]


class Lifecycle(Timing):
    """A model with two workers that can be started and stopped.

    This is the base of :class:`handler_core.Handler`. By itself it is a handler that cannot spawn,
    is never started, and whose callers wait as threads do. An ``AsyncResult`` that has no handler
    uses one.
    """

    def start(self) -> None:
        """Begin to run callbacks; a second call does nothing. From any thread."""
        logger()  # imports what a worker may need once it can import nothing: out of descriptors
        self._timer_heap()
        with self._lock:
            self._state = State.RUNNING
            self._drain = None
            # These were dispatched while the handler was stopped, or a lost home has left them.
            for mailbox in self._mailboxes():
                if mailbox.items:
                    self._ensure_worker(mailbox)
        self._start_workers()

    def stop(self) -> None:
        """Run what was dispatched and the links of what was set, then end the workers.

        Returns when that has happened. A call from one of the handler's own callbacks returns at
        once, and it happens afterwards. What is dispatched meanwhile waits for the next ``start``.
        Timers go on until then. What is pending of them is dropped at the end.
        Of two calls, the second waits for the same end. From any thread.

        Raises:
            RuntimeError: the wait would block the thread that runs the event loop. Or the thread
                that ran the workers has ended; what they have left waits for the next ``start``.
                Or a signal handler called it in the midst of a call on the same handler.
        """
        self._refuse_wait_under_lock()
        with self._lock:
            if self._state is State.STOPPED:
                return
            if sys.is_finalizing():
                self.forget_workers()  # no other thread runs, and this one runs what is left
            # From here on a setter waits for the lock. Compiled code takes none before.
            before, self._state = self._state, State.DRAINING
            try:
                waiter = None if self.in_callback() or self._is_idle() else self.new_waiter()
                has_home = waiter is None or self.watch_home(waiter)
            except BaseException:
                self._state = before
                raise
            if not has_home:
                self._lose_workers()
            drain = self._drain = self._drain or Drain()
            if waiter is not None:
                drain.waiters.append(waiter)
            if drain.mailbox is None:
                self._put_drain(drain, self._callbacks)
            elif not drain.mailbox.busy:
                # The stop before this one was interrupted (by Ctrl-C, say) before it woke a worker.
                self._ensure_worker(drain.mailbox)
        self._start_workers()
        if waiter is None:
            return
        self._drain_here(drain)
        waiter.park()
        if drain.mailbox is not None:
            with self._lock:
                self._lose_workers()
        for worker in drain.ended:
            if worker.task is not None:
                worker.task.join()

    # The drain. Workers call the first three.

    def _needs_worker(self, mailbox: Mailbox | TimerHeap) -> bool:
        if self._drain is None:
            return self._state is State.RUNNING
        return mailbox is not self._callbacks or mailbox is self._drain.mailbox

    def _advance_drain(self, drain: Drain, mailbox: Mailbox) -> bool:
        with self._lock:
            if mailbox is not self._callbacks and mailbox is not self._completions:
                return True  # this is a forked child, and the worker was the parent's
            ends = drain is self._drain  # False if a `start` has come since
            if mailbox is self._completions and ends and len(mailbox.items) > 1:
                mailbox.items.rotate(-1)
                return False
            if ends:
                assert mailbox.worker is not None
                drain.ended.append(mailbox.worker)
                mailbox.retire()
            if mailbox is self._callbacks:
                self._put_drain(drain, self._completions)
            else:
                self._hand_to_timers(drain)
            # Last: if anything interrupts the lines above (Ctrl-C, say), the drain is still here.
            mailbox.items.popleft()
            return ends

    def _advance_timers(self, drain: Drain, timers: TimerHeap) -> bool:
        with self._lock:
            if self._timers is not timers:
                return True  # as above
            links = self._completions
            ends = drain is self._drain and not (links.worker or links.items)
            if ends:
                assert timers.worker is not None
                drain.ended.append(timers.worker)
                timers.retire()
            if ends or drain is not self._drain:
                self._finish_drain(drain)
            else:
                self._put_drain(drain, links)
            timers.drains.popleft()  # last, as above
            return ends

    def _drain_here(self, drain: Drain) -> None:
        # The caller is a `stop`, or the worker that has put the drain into the next mailbox.
        for mailbox in self._mailboxes():
            with self._lock:
                if drain.mailbox is not mailbox or mailbox.worker is not None:
                    continue
                worker = mailbox.worker = Worker()
                worker.started = mailbox.busy = True
            Context().run(self._work_on, mailbox, worker)

    def _put_drain(self, drain: Drain, mailbox: Mailbox) -> None:
        """Put the drain into the mailbox, or into the next one if this one is empty.

        Under the lock. The caller calls :meth:`_start_workers` after it.
        """
        if mailbox.worker or mailbox.items:
            mailbox.items.append(drain)
            drain.mailbox = mailbox
            if not mailbox.busy:
                self._ensure_worker(mailbox)
        elif mailbox is self._callbacks:
            self._put_drain(drain, self._completions)
        else:
            self._hand_to_timers(drain)

    def _hand_to_timers(self, drain: Drain) -> None:
        """Put the drain among the timers if these have a worker, or else end the stop.

        Under the lock. The caller calls :meth:`_start_workers` after it.
        """
        timers = self._timers
        if timers is None or timers.worker is None or drain is not self._drain:
            self._finish_drain(drain)
        else:
            if drain not in timers.drains:  # an interrupt may have come after the last attempt
                timers.drains.append(drain)
            drain.mailbox = timers
            if not timers.busy:
                self._ensure_worker(timers)

    def _finish_drain(self, drain: Drain) -> None:
        """End the stop. The handler is stopped, unless it was started again meanwhile.

        Under the lock. The caller refers to the drain until it has left the lock.
        """
        drain.mailbox = None
        if drain is self._drain:
            self._state = State.STOPPED
            self._drain = None
            if self._timers is not None:
                drain.dropped += self._timers.take_all()
        for waiter in drain.waiters:
            waiter.wake()

    def _is_idle(self) -> bool:
        """Return True if there is no worker and nothing to run: a stop is over at once."""
        if self._timers is not None and self._timers.worker is not None:
            return False
        return not any(
            mailbox.worker or mailbox.items for mailbox in (self._callbacks, self._completions)
        )

    def _lose_workers(self) -> NoReturn:
        """Stop without the workers: the thread in which they lived has ended. Under the lock."""
        self.forget_workers()
        self._state = State.STOPPED
        self._drain = None
        left = len(self._callbacks.items) + len(self._completions.items)
        raise RuntimeError(
            "the thread (or its hub or loop) that started this handler has ended, and its workers "
            f"with it; {left} callbacks are left, and run after the next start()"
        )


# An `AsyncResult` without a handler uses this one: waiting blocks the thread, links run in the
# setter.
AsyncResult.detached = Lifecycle()
