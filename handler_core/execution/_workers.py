"""The workers of a handler, and how they run callbacks.

One worker runs dispatched callbacks. The other runs linked ones ("completions"). So neither kind
can block the other. A worker is a task of the model (a thread, a greenlet). It takes items from its
mailbox (:mod:`handler_core.execution._mailbox`) and parks when there are none. It is started when
there is something to run and not before: most handlers of a process with many handlers are idle.

A worker has a context (``contextvars``) of its own, which is empty when the worker begins. Its
task may inherit a context from whoever happens to start it: a greenlet of gevent does, and a thread
of a free-threaded Python. Callbacks of other requests would see the variables of that one.

There is a third worker if there are timers; see :mod:`handler_core.execution._timing`.

A drain in a mailbox ends its worker. :mod:`handler_core.execution._lifecycle` says how a drain
moves.
"""

from __future__ import annotations

import functools
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any

from handler_core.execution._fork import free_in_child, watch_for_fork
from handler_core.execution._logger import logger
from handler_core.execution._mailbox import Drain, Mailbox, Mailroom, State, Worker
from handler_core.execution._model import Model
from handler_core.execution._run_items import run_items

if TYPE_CHECKING:
    from collections.abc import Hashable

    from handler_core.execution._callback import CallbackLike
    from handler_core.execution._timer_heap import TimerHeap

__all__ = ["Workers"]


class Workers(Mailroom, Model):
    """Two mailboxes and the workers that run what is in them.

    Each method says if its caller holds the handler's lock.
    """

    #: Runs one callback, in place of a plain call. Set if wrappers are around callbacks.
    _run_callback: Callable[[CallbackLike], object] | None = None

    #: The timers; None until the first is set.
    _timers: TimerHeap | None = None

    def __init__(self) -> None:
        super().__init__(self.new_native_rlock(), self.keeps_context)
        #: A memory fence. Of two threads that call it, the second sees what the first had stored
        #: before: to append holds the deque's own lock. This deque never keeps anything.
        self._fence: Callable[[None], object] = deque[None](maxlen=0).append
        self._drain: Drain | None = None
        #: What wrappers remember of dispatched callbacks; see :class:`handler_core.Dispatched`.
        self._notes: dict[Any, Any] = {}
        watch_for_fork(self)

    @property
    def running(self) -> bool:
        """True from ``start`` to ``stop``; False while a ``stop`` is draining."""
        return self._state is State.RUNNING

    # The loop of a worker.

    def _work(self, mailbox: Mailbox, worker: Worker) -> None:
        """Run what comes into the mailbox, one at a time, until a drain ends the worker.

        Without the lock. This is what the task of a worker calls.
        """
        with self._lock:
            if mailbox.worker is not worker:
                return
            worker.identity = self.current_task()
        give_way = self.give_way if self.cooperative else None
        try:
            while True:
                try:
                    drain = run_items(self, mailbox.items, self._run_callback, give_way)
                except (KeyboardInterrupt, SystemExit) as exception:
                    self.deliver_exit(exception)
                    continue
                if drain is None:
                    self._park_worker(mailbox)
                elif self._advance_drain(drain, mailbox):
                    break
        except BaseException:
            # The worker was killed from outside, while it was parked. A new worker runs what this
            # one was woken for, and whatever comes next.
            with self._lock:
                if mailbox.worker is worker:
                    mailbox.retire()
                if mailbox.items:
                    self._ensure_worker(mailbox)
            self._start_workers()
            raise
        self._start_workers()
        self._drain_here(drain)

    def _park_worker(self, mailbox: Mailbox) -> None:
        """Park until a sender wakes the worker, unless the mailbox has an item. Without the lock.

        The waiter is made before the last look into the mailbox. A finalizer may run in this
        thread at any point after that look, and may dispatch: it must find the waiter.
        """
        waiter = self.new_waiter()
        with self._lock:
            mailbox.waiter = waiter
            mailbox.busy = False
            mailbox.items.extend(())  # holds the deque's lock; see the mailbox's module
            if mailbox.items:
                mailbox.busy = True
                mailbox.waiter = None
                return
        waiter.park()

    # Starting and finding workers.

    def _mailboxes(self) -> Sequence[Mailbox | TimerHeap]:
        """Return all that may have a worker."""
        boxes = (self._callbacks, self._completions)
        return boxes if self._timers is None else (*boxes, self._timers)

    def _work_on(self, mailbox: Any, worker: Worker) -> None:
        """Be the task of a worker. Without the lock."""
        if isinstance(mailbox, Mailbox):
            self._work(mailbox, worker)
        else:
            self._work_timers(mailbox, worker)

    def _ensure_worker(self, mailbox: Mailbox | TimerHeap) -> None:
        """Wake the mailbox's worker, or note that one is to be started if it needs one.

        Under the lock. The caller calls :meth:`_start_workers` after it.
        """
        if mailbox.waiter is not None:
            mailbox.waiter.wake()
            mailbox.busy = True
            mailbox.waiter = None
        elif mailbox.worker is None and self._needs_worker(mailbox):
            self._unstarted = True
            mailbox.worker = Worker()
            # Once more: the lock does not exclude a signal handler of this very thread. If that has
            # set a result before there was a worker, it has found nothing to start.
            self._unstarted = True

    def _start_workers(self) -> None:
        """Start the tasks of workers that have none.

        Without the lock: to start a thread is to wait for it, and the wait may be interrupted.
        """
        while self._unstarted:
            try:
                self._unstarted = False
                for mailbox in self._mailboxes():
                    self._start_worker(mailbox)
            except BaseException:
                self._unstarted = True  # Ctrl-C, say: the next call starts what is left
                raise

    def _start_worker(self, mailbox: Mailbox | TimerHeap) -> None:
        """Start the task of the mailbox's worker if it has none. Without the lock."""
        worker: Worker | None = None
        try:
            with self._lock:
                unstarted = mailbox.worker
                if unstarted is None or unstarted.started:
                    return
                worker = unstarted
                # Busy from now on: a signal handler or a finalizer that dispatches meanwhile has
                # nothing to start.
                worker.started = mailbox.busy = True
            # Started in one empty context, so as to keep none alive, and run in another.
            worker.task = Context().run(
                self.spawn_worker,
                functools.partial(Context().run, self._work_on, mailbox, worker),
                functools.partial(self._replace_worker, mailbox, worker),
            )
        except NotImplementedError:
            self._withdraw_worker(mailbox, worker)
            raise
        except RuntimeError as error:
            # There are no threads left, or the interpreter is about to end and starts no more (in
            # an atexit function). The next call tries again. A `stop` runs in its own thread what
            # is still there.
            self._withdraw_worker(mailbox, worker)
            if sys.is_finalizing():
                return  # nothing can be imported any more, and `logging` imports
            logger().error("%d callbacks wait, no worker can start: %s", len(mailbox.items), error)
        except BaseException:
            # Ctrl-C: it is unknown if there is a task now. If there is one and it has begun, all
            # is well. If it has not begun, it ends before it begins.
            self._replace_worker(mailbox, worker)
            raise

    def _replace_worker(self, mailbox: Mailbox | TimerHeap, worker: Worker | None) -> None:
        """Start another worker if this one has not begun, and its task never will.

        Without the lock.
        """
        if self._withdraw_worker(mailbox, worker):
            with self._lock:
                if any(mailbox is mine for mine in self._mailboxes()):
                    self._ensure_worker(mailbox)
            self._start_workers()

    def _withdraw_worker(self, mailbox: Mailbox | TimerHeap, worker: Worker | None) -> bool:
        """Take its right from a worker that has not begun; return False if it has begun.

        Without the lock.
        """
        with self._lock:
            if worker is None or mailbox.worker is not worker or worker.identity is not None:
                return False
            mailbox.retire()
            return True

    def forget_workers(self) -> None:
        """Forget the workers: the thread or the loop in which they lived is gone.

        Under the lock, or where no other thread can see the handler.
        """
        for mailbox in self._mailboxes():
            mailbox.retire()

    def idle_workers(self) -> list[Hashable]:
        """Return the tasks of the workers that are parked and have nothing to run now.

        Without the lock. Each is what :meth:`current_task` returns in it.
        """
        with self._lock:
            return [
                mailbox.worker.identity
                for mailbox in self._mailboxes()
                if mailbox.worker is not None and mailbox.waiter is not None
            ]

    def in_callback(self) -> bool:
        """Return True if one of this handler's workers has called the caller."""
        task = self.current_task()
        return any(
            mailbox.worker is not None and mailbox.worker.identity == task
            for mailbox in self._mailboxes()
        )

    def _refuse_wait_under_lock(self) -> None:
        """Raise if this thread holds the handler's lock: no other thread could end its wait.

        Only a signal handler or a finalizer gets there.

        Raises:
            RuntimeError: it does.
        """
        if self._lock._is_owned():  # a name that `threading.Condition` calls on any lock
            raise RuntimeError(
                "a signal handler may not wait in the midst of a call on the same handler: let it "
                "set an event, or do its work in handler.spawn(...)"
            )

    # Fork.

    def after_fork_in_child(self) -> None:
        """Become empty and stopped: the workers and their callbacks are the parent's.

        Called in a forked child, inside ``fork`` and under the lock. A model that overrides it
        calls it too.
        """
        for mailbox in (self._callbacks, self._completions):
            # If a worker has forked, its thread lives on here. It must end when its callback
            # returns, and leave the other callbacks to the parent.
            mailbox.items.appendleft(Drain())
            free_in_child(mailbox)
        self._callbacks = Mailbox(self.keeps_context)
        self._completions = Mailbox(self.keeps_context)
        free_in_child(vars(self).pop("_timers", None))
        self._state = State.STOPPED
        free_in_child((self._drain, self._notes))
        self._drain = None
        self._notes = {}

    # What start, stop and the drain decide.

    def _work_timers(self, timers: TimerHeap, worker: Worker) -> None:
        """Call what is due, until a drain ends the worker. Without the lock."""
        raise NotImplementedError

    def _needs_worker(self, mailbox: Mailbox | TimerHeap) -> bool:
        """Return True if what comes into the mailbox is to be run now. Under the lock."""
        raise NotImplementedError

    def _advance_drain(self, drain: Drain, mailbox: Mailbox) -> bool:
        """Take the drain one step on; return True if the worker that found it must end.

        Without the lock.
        """
        raise NotImplementedError

    def _drain_here(self, drain: Drain) -> None:
        """Run the mailbox in which the drain lies, if no worker could be started for it.

        Without the lock.
        """
        raise NotImplementedError
