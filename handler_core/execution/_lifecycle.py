"""Two workers, and how they start, drain and end.

A handler runs dispatched callbacks on one worker and linked ones ("completions") on another, so
that neither can block the other. A worker is a task of the model (a thread, a greenlet) that
takes callbacks from its mailbox and parks when there are none. It is started when there is
something for it to run, not before: most handlers of a process with many are idle.

**Stopping is a message.** ``stop`` puts a :class:`_Drain` into the callbacks' mailbox; when the
callbacks' worker comes upon it, all that was dispatched before has run, and it passes the drain
on into the completions' mailbox, behind the links that those callbacks set off. There it goes
round until that mailbox is empty, and the handler is stopped. So nothing has to be counted, what
is dispatched meanwhile simply lies behind the drain until the next ``start``, and a ``start``
during the drain only says that this drain ends nobody: the same workers go on. Setting a flag
and joining the threads, as kazoo does it, leaves no moment at which that could be decided, and
deadlocks when a callback stops its own handler.

**The mailbox is a deque and no lock.** Whoever puts something in looks at ``busy`` afterwards,
and the worker, before it parks, clears ``busy`` and looks into the deque again. Putting in holds
the deque's own lock (where there is no GIL it has one), and so does what the worker does before it
looks. Of the two, the second sees what the first one had stored: the worker the item, or the other
that nobody is busy. Everything else that two threads could touch is under the handler's one lock,
which is also that of its results.

**Fork.** The lock is held across ``os.fork``, so the child finds every handler in a state that
makes sense; there it gets fresh mailboxes and no workers.
"""

from __future__ import annotations

import _thread
import enum
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeAlias, cast

from handler_core.execution._callback import Callback, CallbackLike
from handler_core.execution._logger import logger
from handler_core.execution._result import AsyncResult
from handler_core.execution._timeout import HandlerTimeoutError
from handler_core.execution._waiter import ThreadWaiter, Waiter

if TYPE_CHECKING:
    from handler_core.execution._protocols import LockLike, Task

__all__ = ["Lifecycle"]


#: A linked callback and its result, on their way to the worker. It is made into a
#: :class:`Callback` only for those who look at it.
_Link: TypeAlias = tuple[Callable[[Any], object], Any]


#: What lies in a mailbox.
_Item: TypeAlias = "CallbackLike | _Link | _Drain"


class _State(enum.Enum):
    STOPPED = "stopped"
    RUNNING = "running"
    DRAINING = "draining"


# By a name of its own: each set of a linked result asks for it.
_STOPPED = _State.STOPPED


class _Mailbox:
    """What one worker has to run, and what is known of the worker."""

    __slots__ = ("busy", "items", "waiter", "worker")

    def __init__(self) -> None:
        self.items: deque[_Item] = deque()
        #: True while a worker is sure to look into ``items`` again.
        self.busy = False
        #: The one worker; None while there is none.
        self.worker: _Worker | None = None
        #: Where the worker is parked.
        self.waiter: Waiter | None = None

    def retire(self) -> None:
        """Forget the worker: it is about to end, or will end as soon as it begins."""
        self.busy = False
        self.worker = self.waiter = None


class _Worker:
    """The right to run what is in a mailbox. A task that has lost it ends."""

    __slots__ = ("identity", "started", "task")

    def __init__(self) -> None:
        #: True once somebody has set about starting its task.
        self.started = False
        #: What tells its task from others, once that runs: for "am I called from it?".
        self.identity: Hashable = None
        #: Its task, to join; None for a worker that runs in somebody else's.
        self.task: Task | None = None


class _Drain:
    """One stop on its way through the mailboxes, and those who wait for its end."""

    __slots__ = ("ended", "mailbox", "waiters")

    def __init__(self) -> None:
        #: Where it lies now; None before and after.
        self.mailbox: _Mailbox | None = None
        self.waiters: list[Waiter] = []
        #: The workers that it ended.
        self.ended: list[_Worker] = []


def _as_callback(item: CallbackLike | _Link) -> CallbackLike:
    if type(item) is tuple:
        link, result = item
        return Callback("completion", link, (result,))
    return cast(CallbackLike, item)


class Lifecycle:
    """Start, stop, and the two workers. The base of :class:`handler_core.Handler`.

    By itself it is a handler that has no way to spawn, is never started, and whose callers wait
    as threads do: that is what serves an ``AsyncResult`` without a handler.
    """

    #: Raised, in a subclass that is a builtin ``TimeoutError`` too, by a ``get`` that timed out.
    timeout_exception: ClassVar[type[HandlerTimeoutError]] = HandlerTimeoutError

    #: Set where wrappers want to be around each callback: runs one, in place of a plain call.
    _run_callback: Callable[[CallbackLike], object] | None = None

    #: Set by a model in which a callback may leave something to be done, as a coroutine function
    #: does: the worker calls it with what each callback has returned.
    finish_callback: Callable[[object], object] | None = None

    #: Whether a task runs until it lets others run, as greenlets do and threads do not.
    cooperative: bool = False

    def __init__(self) -> None:
        self._lock: Any = self.new_native_rlock()
        #: Of two threads that call it, the second sees what the first one had stored: appending
        #: holds the deque's own lock, and this one never keeps anything.
        self._fence: Callable[[None], object] = deque[None](maxlen=0).append
        self._state = _State.STOPPED
        self._drain: _Drain | None = None
        self._callbacks = _Mailbox()
        self._completions = _Mailbox()
        #: True where a mailbox may have a worker whose task is to be started.
        self._unstarted = False
        #: What wrappers remember of what was dispatched: see :class:`handler_core.Dispatched`.
        self._notes: dict[Any, Any] = {}
        _fork_guard.add(self)

    # What a model says of itself.

    def new_waiter(self) -> Waiter:
        """Return a waiter with which the caller can park.

        Raises:
            RuntimeError: the caller runs the event loop and may not block. The message says
                what to do instead.
        """
        return ThreadWaiter()

    def new_native_rlock(self) -> LockLike:
        """Return a re-entrant lock that shuts out whatever may set a result or dispatch.

        That is other OS threads, for a green model also in a process whose ``threading`` is
        patched. It is re-entrant since a signal handler or a finalizer may set a result while
        its thread is inside. It is never held while anything waits.
        """
        return threading.RLock()

    def current_task(self) -> Hashable:
        """Return what tells the running task (thread, greenlet) from all others."""
        return threading.get_ident()

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> Task:
        """Run ``func(*args, **kwargs)`` in a task of its own.

        Works before ``start`` and after ``stop`` too. From any thread.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how to spawn")

    def spawn_worker(self, func: Callable[..., object], *args: Any) -> Task:
        """Run ``func(*args)``, a worker's loop, in a task of its own.

        Called from any thread. A model with a hub or a loop starts it in the home thread, the one
        that called ``start``.

        Raises:
            RuntimeError: no task can be started now.
        """
        return self.spawn(func, *args)

    def watch_home(self, waiter: Waiter) -> bool:
        """Wake ``waiter`` if the home thread ends; False if it has ended already.

        Only a model whose workers live in one certain thread has one to lose.
        """
        return True

    def is_kill(self, exception: BaseException) -> bool:
        """Return True if the worker, in which a callback has raised this, was killed from outside.

        A worker outlives whatever a callback raises of its own accord.
        """
        return False

    def give_way(self) -> None:
        """Let other tasks run, if they have waited for long: a worker is between two callbacks.

        Only where the tasks are cooperative, or a worker that always finds something to run would
        run alone.
        """

    def deliver_exit(self, exception: BaseException) -> None:
        """Send a callback's ``KeyboardInterrupt`` or ``SystemExit`` where a task's would go."""
        threading.excepthook(
            threading.ExceptHookArgs(
                (type(exception), exception, exception.__traceback__, threading.current_thread())
            )
        )

    # What a client uses.

    @property
    def running(self) -> bool:
        """True from ``start`` to ``stop``; False while a ``stop`` is draining."""
        return self._state is _State.RUNNING

    def start(self) -> None:
        """Begin to run callbacks; a second call does nothing. From any thread."""
        logger()  # imports what a worker may need when it can import nothing: out of descriptors
        with self._lock:
            self._state = _State.RUNNING
            self._drain = None
            # What was dispatched while the handler was stopped, or was left by a lost home.
            for mailbox in (self._callbacks, self._completions):
                if mailbox.items:
                    self._rouse(mailbox)
        self._start_workers()

    def stop(self) -> None:
        """Run what was dispatched and the links of what was set, then end the workers.

        Returns when that has happened. Called from one of the handler's own callbacks it
        returns at once, and it happens afterwards. What is dispatched meanwhile waits for the
        next ``start``. Of two calls the second waits for the same end. From any thread.

        Raises:
            RuntimeError: the wait would block the thread that runs the event loop. Or the thread
                that ran the workers has ended; what they have left waits for the next ``start``.
                Or a signal handler called it in the midst of a call on the same handler.
        """
        self.refuse_to_wait_inside()
        with self._lock:
            if self._state is _State.STOPPED:
                return
            waiter = None if self._in_worker() or self._idle() else self.new_waiter()
            if waiter is not None and not self.watch_home(waiter):
                self._lose_workers()
            self._state = _State.DRAINING
            drain = self._drain = self._drain or _Drain()
            if waiter is not None:
                drain.waiters.append(waiter)
            if drain.mailbox is None:
                self._pass_on(drain, self._callbacks)
            elif not drain.mailbox.busy:
                # The stop before this one was interrupted, by Ctrl-C say, before it came so far.
                self._rouse(drain.mailbox)
        self._start_workers()
        if waiter is None:
            return
        self._work_here(drain)
        waiter.park()
        if drain.mailbox is not None:
            with self._lock:
                self._lose_workers()
        for worker in drain.ended:
            if worker.task is not None:
                worker.task.join()

    def refuse_to_wait_inside(self) -> None:
        """Raise if this thread is inside the handler's lock: nobody could end its wait.

        Only a signal handler, or a finalizer, gets there.

        Raises:
            RuntimeError: it is.
        """
        if self._lock._is_owned():  # by its name for everybody's Condition, public or not
            raise RuntimeError(
                "a signal handler may not wait in the midst of a call on the same handler: let it "
                "set an event, or do its work in handler.spawn(...)"
            )

    def dispatch_callback(self, callback: CallbackLike) -> None:
        """Queue ``callback``: they run one at a time, in this order. From any thread.

        On a handler that is not running it waits for the next ``start``.

        Raises:
            TypeError: ``callback`` has no ``func`` or no ``args``.
        """
        try:
            callback.func, callback.args  # noqa: B018 - both must be there
        except AttributeError:
            raise TypeError(
                f"dispatch_callback() takes an object with .func and .args, not {callback!r}; "
                'for a function f, write dispatch_callback(Callback("name", f, ()))'
            ) from None
        mailbox = self._callbacks
        mailbox.items.append(callback)
        if not mailbox.busy:
            with self._lock:
                self._rouse(mailbox)
            self._start_workers()

    # What a result asks of its handler.

    def _queue_links(self, result: Any, links: list[Callable[[Any], object]]) -> bool:
        """Queue the linked callbacks; False where no worker will run them.

        Under the lock. After it, :meth:`_start_workers` is to be called.
        """
        if self._state is _STOPPED:
            return False
        mailbox = self._completions
        for link in links:
            mailbox.items.append((link, result))
        if not mailbox.busy:
            self._rouse(mailbox)
        return True

    def _call_links(self, result: Any, links: list[Callable[[Any], object]]) -> None:
        """Call the linked callbacks here and now, each of them whatever the others raise."""
        items: deque[_Item] = deque((link, result) for link in links)
        wanted: BaseException | None = None
        while items:
            try:
                self._run(items, None)
            except BaseException as exception:
                wanted = wanted or exception
        if wanted is not None:
            raise wanted

    # The workers. What ends in "under the lock" is called with it, all else without.

    def _run(
        self,
        items: deque[_Item],
        give_way: Callable[[], object] | None,
    ) -> _Drain | None:
        """Run what lies in ``items``, up to a drain, which is returned, or the end.

        What a callback raises is logged, but for what asks the program, or the worker, to end.
        """
        run_callback, finish = self._run_callback, self.finish_callback
        while items:
            item: Any = items[0]
            kind = type(item)
            if kind is _Drain:
                return cast(_Drain, item)  # and there it lies until it has done its work
            items.popleft()
            try:
                if run_callback is not None:
                    run_callback(_as_callback(item))
                elif finish is None:
                    if kind is tuple:
                        item[0](item[1])
                    else:
                        item.func(*item.args)
                else:
                    finish(item[0](item[1]) if kind is tuple else item.func(*item.args))
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as exception:
                if self.is_kill(exception):
                    raise
                # Also the timeout and kill exceptions of green threads, which are no `Exception`:
                # a callback that let its own timeout escape must not end the worker.
                logger().exception("exception in callback %r", _as_callback(item))
            if give_way is not None:
                give_way()
        return None

    def _work(self, mailbox: _Mailbox, worker: _Worker) -> None:
        """Run what comes into the mailbox, one at a time, until a drain ends it."""
        with self._lock:
            if mailbox.worker is not worker:
                return
            worker.identity = self.current_task()
        give_way = self.give_way if self.cooperative else None
        try:
            while True:
                try:
                    drain = self._run(mailbox.items, give_way)
                except (KeyboardInterrupt, SystemExit) as exception:
                    self.deliver_exit(exception)
                    continue
                if drain is None:
                    self._await_item(mailbox)
                elif self._arrived(drain, mailbox):
                    break
        except BaseException:
            # Killed from outside, while parked. What it was woken for, and whatever comes next,
            # gets a new worker.
            with self._lock:
                if mailbox.worker is worker:
                    mailbox.retire()
                if mailbox.items:
                    self._rouse(mailbox)
            self._start_workers()
            raise
        self._start_workers()
        self._work_here(drain)

    def _await_item(self, mailbox: _Mailbox) -> None:
        """Park the worker, unless there is something in its mailbox, until somebody wakes it."""
        # It must lie ready before the last look into the mailbox: a finalizer that dispatches
        # may run in this thread too, at any point from there on.
        waiter = self.new_waiter()
        with self._lock:
            mailbox.waiter = waiter
            mailbox.busy = False
            mailbox.items.extend(())  # holds the deque's lock: see above, "and no lock"
            if mailbox.items:
                mailbox.busy = True
                mailbox.waiter = None
                return
        waiter.park()

    def _rouse(self, mailbox: _Mailbox) -> None:
        """Wake the mailbox's worker, or have one started where there should be one and is none.

        Under the lock. After it, :meth:`_start_workers` is to be called.
        """
        if mailbox.waiter is not None:
            mailbox.waiter.wake()
            mailbox.busy = True
            mailbox.waiter = None
        elif mailbox.worker is None and self._needs_worker(mailbox):
            self._unstarted = True
            mailbox.worker = _Worker()

    def _start_workers(self) -> None:
        """Start the tasks of workers that have none.

        Not under the lock: starting a thread waits for it, and it may be interrupted.
        """
        while self._unstarted:
            self._unstarted = False
            for mailbox in (self._callbacks, self._completions):
                with self._lock:
                    worker = mailbox.worker
                    if worker is None or worker.started:
                        continue
                    # `busy` from now on: should a signal handler dispatch meanwhile, or a
                    # finalizer, it need not care.
                    worker.started = mailbox.busy = True
                self._start_worker(mailbox, worker)

    def _start_worker(self, mailbox: _Mailbox, worker: _Worker) -> None:
        try:
            worker.task = self.spawn_worker(self._work, mailbox, worker)
        except NotImplementedError:
            self._give_up(mailbox, worker)
            raise
        except RuntimeError as error:
            # Out of threads, or so late in the interpreter's life that it starts no more (an
            # atexit function). The next call tries again, and `stop` will run in its own
            # thread what is still there.
            self._give_up(mailbox, worker)
            logger().error("%d callbacks wait, no worker can start: %s", len(mailbox.items), error)
        except BaseException:
            # Ctrl-C: nobody knows if there is a task now. If so, it ends before it begins, unless
            # it has begun, and then all is well.
            if self._give_up(mailbox, worker):
                with self._lock:
                    self._rouse(mailbox)
                self._start_workers()
            raise

    def _give_up(self, mailbox: _Mailbox, worker: _Worker) -> bool:
        """Take its right from a worker that has not begun; False if it has."""
        with self._lock:
            if mailbox.worker is not worker or worker.identity is not None:
                return False
            mailbox.retire()
            return True

    def _needs_worker(self, mailbox: _Mailbox) -> bool:
        """Return True where what comes into the mailbox is to be run now. Under the lock."""
        if self._drain is None:
            return self._state is _State.RUNNING
        return mailbox is self._completions or mailbox is self._drain.mailbox

    def _in_worker(self) -> bool:
        """Return True where one of this handler's own callbacks is the caller."""
        task = self.current_task()
        return any(
            mailbox.worker is not None and mailbox.worker.identity == task
            for mailbox in (self._callbacks, self._completions)
        )

    def _idle(self) -> bool:
        """Return True if there is no worker and nothing to run: a stop is over at once."""
        return not any(
            mailbox.worker or mailbox.items for mailbox in (self._callbacks, self._completions)
        )

    def _pass_on(self, drain: _Drain, mailbox: _Mailbox) -> None:
        """Put the drain into the mailbox, or further on where there is nothing to drain.

        Under the lock. After it, :meth:`_start_workers` is to be called.
        """
        if mailbox.worker or mailbox.items:
            mailbox.items.append(drain)
            drain.mailbox = mailbox
            if not mailbox.busy:
                self._rouse(mailbox)
        elif mailbox is self._callbacks:
            self._pass_on(drain, self._completions)
        else:
            self._finish(drain)

    def _arrived(self, drain: _Drain, mailbox: _Mailbox) -> bool:
        """Take the drain one step further; True if the worker that came upon it must end."""
        with self._lock:
            if mailbox is not self._callbacks and mailbox is not self._completions:
                return True  # this is a forked child, and the worker was the parent's
            ends = drain is self._drain  # and no `start` has come since
            if mailbox is self._completions and ends and len(mailbox.items) > 1:
                mailbox.items.rotate(-1)
                return False
            if ends:
                assert mailbox.worker is not None
                drain.ended.append(mailbox.worker)
                mailbox.retire()
            if mailbox is self._callbacks:
                self._pass_on(drain, self._completions)
            else:
                self._finish(drain)
            # Last: whatever interrupts this, Ctrl-C say, finds the drain where it was.
            mailbox.items.popleft()
            return ends

    def _finish(self, drain: _Drain) -> None:
        """End the stop: the handler is stopped, unless it was started again meanwhile.

        Under the lock.
        """
        drain.mailbox = None
        if drain is self._drain:
            self._state = _State.STOPPED
            self._drain = None
        for waiter in drain.waiters:
            waiter.wake()

    def _lose_workers(self) -> NoReturn:
        """Stop without them: the thread in which they lived has ended."""
        for mailbox in (self._callbacks, self._completions):
            mailbox.retire()
        self._state = _State.STOPPED
        self._drain = None
        left = len(self._callbacks.items) + len(self._completions.items)
        raise RuntimeError(
            "the thread (or event loop) that started this handler has ended, and its workers with "
            f"it; {left} callbacks are left, and run after the next start()"
        )

    def _work_here(self, drain: _Drain) -> None:
        """Be the worker of a mailbox in which the drain lies and for which none could start.

        Those who can be it are the caller of ``stop`` and the worker that passed the drain on.
        """
        for mailbox in (self._callbacks, self._completions):
            with self._lock:
                if drain.mailbox is not mailbox or mailbox.worker is not None:
                    continue
                worker = mailbox.worker = _Worker()
                worker.started = mailbox.busy = True
            self._work(mailbox, worker)

    # Fork.

    def _after_fork_in_child(self) -> None:
        """Start from nothing: the workers are the parent's, and so is what they have to run."""
        for mailbox in (self._callbacks, self._completions):
            # If one of the workers forked, it is the thread that lives on: it must end when
            # it comes back from its callback, and leave the rest to the parent.
            mailbox.items.appendleft(_Drain())
        self._callbacks = _Mailbox()
        self._completions = _Mailbox()
        self._state = _State.STOPPED
        self._drain = None
        self._notes = {}

    def _end_inherited_tasks(self) -> None:
        """End the parent's tasks in a forked child. Threads have ended by themselves."""


class _ForkGuard:
    """Holds the lock of every handler while the process forks.

    Registered once, since ``os.register_at_fork`` has no opposite, with weak references.
    """

    def __init__(self) -> None:
        # Native also in a patched process: a green lock could switch in the middle of a fork.
        self._lock = _thread.RLock()
        self._handlers: weakref.WeakSet[Lifecycle] = weakref.WeakSet()
        self._held: list[Lifecycle] = []

    def add(self, handler: Lifecycle) -> None:
        with self._lock:
            self._handlers.add(handler)

    def before(self) -> None:
        self._lock.acquire()
        self._held = list(self._handlers)
        for handler in self._held:
            handler._lock.acquire()

    def after_in_parent(self) -> None:
        held, self._held = self._held, []
        for handler in held:
            handler._lock.release()
        self._lock.release()

    def after_in_child(self) -> None:
        held = self._held
        for handler in held:
            handler._after_fork_in_child()
        self.after_in_parent()
        for handler in held:
            handler._end_inherited_tasks()


_fork_guard = _ForkGuard()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_fork_guard.before,
        after_in_parent=_fork_guard.after_in_parent,
        after_in_child=_fork_guard.after_in_child,
    )

# What serves a result without a handler: waiting blocks the thread, links run in the setter.
AsyncResult.detached = Lifecycle()
