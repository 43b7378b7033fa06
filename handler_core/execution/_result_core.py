"""All that a result does: ``AsyncResult`` adds only its name and its type parameter.

One class serves every concurrency model. Models differ only in how a caller waits, and that is the
waiter which the handler makes.

A result is small, because a client under load has hundreds of thousands of pending ones. It keeps
its handler, its outcome, and two lists that exist only once somebody links or waits.

Three rules make it thread-safe.

1. The outcome is one reference: a value or a ``Failure``. A reader without the lock sees one whole
   outcome.
2. A thread that adds to the lists, or takes them, holds the handler's lock. The lock belongs to the
   handler and not to the result, because the order of the links of *different* results is promised
   too: links run in the order in which their results were set.
3. A setter takes no lock if nobody has linked or waits, which is the usual case. It stores the
   outcome, passes the handler's fence, and reads the lists. A thread that adds to a list passes the
   fence too, and then reads the outcome. The fence is an operation that holds a lock of its own,
   at a seventh of the cost of ``with lock``. Of two threads that pass it, the second sees what the
   first has stored. So at least one of the two sees the other. If both do, the handler's lock
   decides.

The handler's lock is re-entrant, so it does not exclude a signal handler or a finalizer of the same
thread. One that passes the fence sees what the interrupted code has stored, as another
thread would.

**Compiled**, this module needs fewer locks; :mod:`handler_core.execution._compiled` says when that
is. Between two statements no other thread runs, and no signal handler or finalizer does. The
exceptions are statements that call Python code, make a new object, or drop the last reference to
one. So no fence is needed. In the usual case ``set``, ``link`` and ``add_waiter`` take no lock
either. They make the objects that they need, and look whether anything has changed meanwhile. The
rest is one step for every other thread, as a signal handler that has done it all would be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextvars import copy_context
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, cast

from handler_core.execution._failure import Failure
from handler_core.execution._mailbox import InContext, Mailroom, State
from handler_core.execution._timeout import timeout_error_class

if TYPE_CHECKING:
    from handler_core.execution._mailbox import Link
    from handler_core.execution._result_handler import ResultHandler
    from handler_core.execution._waiter import Waker

__all__ = ["ResultCore"]

_PENDING: Any = object()

# Given to `_settle` in place of an outcome that is stored already.
_STORED: Any = object()

_RUNNING = State.RUNNING


class ResultCore:
    """What :class:`handler_core.AsyncResult` inherits."""

    __slots__ = ("__weakref__", "_handler", "_links", "_outcome", "_waiters")

    def __cinit__(self) -> None:
        """Be pending before ``__init__`` runs. Compiled code calls this, as part of ``__new__``."""
        self._outcome = _PENDING

    def __init__(self, handler: ResultHandler | None = None) -> None:
        if handler is None:
            handler = cast(Any, self).detached
        self._handler = handler
        self._outcome = _PENDING
        self._links: list[Callable[[Any], object]] | None = None
        self._waiters: list[Waker] | None = None

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} can be neither pickled nor copied: it belongs to its handler"
        )

    def ready(self) -> bool:
        """Return True if there is an outcome: a value or an exception."""
        return self._outcome is not _PENDING

    def successful(self) -> bool:
        """Return True if there is a value; False if there is an exception, or nothing yet."""
        outcome = self._outcome
        return outcome is not _PENDING and type(outcome) is not Failure

    @property
    def value(self) -> Any:
        """The value; None if there is an exception, or nothing yet."""
        outcome = self._outcome
        if outcome is _PENDING or type(outcome) is Failure:
            return None
        return outcome

    @property
    def exception(self) -> BaseException | None:
        """The exception; None if there is a value, or nothing yet."""
        outcome = self._outcome
        return outcome.exception if type(outcome) is Failure else None

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the value or raise the exception. Wait for it if there is none yet.

        Args:
            block: False returns or raises at once.
            timeout: how long to wait, in seconds; None is for ever. A wait never ends early.

        Raises:
            HandlerTimeoutError: there was no outcome in time, or there is none and ``block`` is
                false. It is the handler's ``timeout_exception`` and a builtin ``TimeoutError``.
            RuntimeError: the wait would block the thread that runs the event loop.
            BaseException: the exception that was set. Its traceback grows by this one call only,
                however many callers it is raised to.
        """
        outcome = self._outcome
        if outcome is _PENDING:
            if not block:
                raise self._timeout_error("there is no result yet")
            if not self.wait(timeout):
                raise self._timeout_error(f"there was no result within {timeout} seconds")
            outcome = self._outcome
        if type(outcome) is Failure:
            try:
                raise outcome.exception.with_traceback(outcome.traceback)
            finally:
                # The exception refers to this frame by its traceback. Without this line, result,
                # exception and frame would be a cycle that only the garbage collector frees.
                del self, outcome
        return outcome

    def get_nowait(self) -> Any:
        """Return the value or raise the exception, without waiting.

        Raises:
            HandlerTimeoutError: there is no outcome yet; see :meth:`get`.
        """
        return self.get(block=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until there is an outcome.

        Args:
            timeout: how long, in seconds; None is for ever. A wait never ends early.

        Returns:
            True if there is an outcome, False if the time is over.

        Raises:
            RuntimeError: the wait would block the thread that runs the event loop. Or a signal
                handler called it in the midst of a call on the same handler.
        """
        if self._outcome is not _PENDING:
            return True
        if timeout is not None:
            try:
                if not timeout > 0:
                    return False
            except TypeError:
                raise TypeError(
                    f"timeout must be a number of seconds or None, not {timeout!r}"
                ) from None
        handler = self._handler
        handler._refuse_wait_under_lock()
        waiter = handler.new_waiter()
        if self.add_waiter(waiter):
            try:
                waiter.park(timeout)
            finally:
                self.remove_waiter(waiter)
        return self._outcome is not _PENDING

    def add_waiter(self, waiter: Waker) -> bool:
        """Have ``waiter.wake()`` called as soon as there is an outcome.

        ``wait`` calls it before it parks. It is public for callers that wait in another way, such
        as a coroutine.

        Returns:
            False if there is an outcome already: then ``wake`` is not called.
        """
        if _COMPILED:
            first = [waiter]
            if self._waiters is None and self._outcome is _PENDING:
                self._waiters = first
                return True
        handler = self._handler
        with handler._lock:
            waiters = self._waiters
            if waiters is None:
                waiters = self._waiters = [waiter]
            else:
                waiters.append(waiter)
            handler._fence(None)
            if self._outcome is not _PENDING:
                if waiter in waiters:
                    waiters.remove(waiter)
                return False
        return True

    def remove_waiter(self, waiter: Waker) -> None:
        """Undo :meth:`add_waiter`. The waiter was woken, or has given up."""
        if self._outcome is _PENDING:  # otherwise the setter has taken the list
            with self._handler._lock:
                waiters = self._waiters
                if waiters is not None and waiter in waiters:
                    waiters.remove(waiter)

    def set(self, value: Any = None) -> None:
        """Make ``value`` the outcome, wake all waiting callers, and have the links called."""
        # The lists are read before the outcome is stored, too. A thread that sees this outcome and
        # then sets another result has that one's links called after this one's. So both are queued
        # under the lock. (A link that is added at this very moment has no place in that order.)
        if self._links is None and self._waiters is None:
            self._outcome = value
            if _COMPILED:
                return
            self._handler._fence(None)
            if self._links is None and self._waiters is None:
                return
            value = _STORED
        self._settle(value)

    def set_exception(self, exception: BaseException) -> None:
        """Make ``exception`` the outcome, as :meth:`set` does with a value.

        One exception object may be set on many results.

        Raises:
            TypeError: ``exception`` is not an exception object.
        """
        if not isinstance(exception, BaseException):
            hint = f": write {exception.__name__}()" if isinstance(exception, type) else ""
            raise TypeError(f"set_exception() takes an exception, not {exception!r}{hint}")
        self._settle(Failure(exception))

    def _settle(self, outcome: Any) -> None:
        """Store an outcome, and have the waiters woken and the links called."""
        while _COMPILED and _works_at_once(self._handler):
            if _settle_at_once(self, outcome):
                return
        if not self._settle_under_lock(outcome):
            self._settle(outcome)

    def _settle_under_lock(self, outcome: Any) -> bool:
        """Do what ``_settle`` does; return False if other setters take no lock now."""
        handler = self._handler
        taken: list[Callable[[Any], object]] | None = None
        with handler._lock:
            if _COMPILED and _works_at_once(handler):
                return False  # another thread has just started it
            if outcome is not _STORED:
                self._outcome = outcome
            links, waiters = self._links, self._waiters
            self._links = self._waiters = None
            if links:
                if not handler._queue_links(self, links):
                    taken = links.copy()
                # Emptied, not only dropped: a `link` that this setter has interrupted reads it.
                links.clear()
        if waiters:
            for waiter in waiters:
                waiter.wake()
        if taken:
            handler._call_links(self, taken)
        elif handler._unstarted:
            handler._start_workers()
        return True

    def link(self, callback: Callable[[Any], object]) -> None:
        """Have ``callback(result)`` called once there is an outcome.

        It is called exactly once. While the handler runs, its second worker calls it, in the order
        in which results were set. On a handler that is not running, the setter calls it at once;
        if there is an outcome already, this method does. To link a callback that is linked already
        does nothing.

        Raises:
            TypeError: ``callback`` cannot be called.
        """
        if not callable(callback):
            raise TypeError(f"link() takes a function of one argument, not {callback!r}")
        handler = self._handler
        if handler.keeps_context:
            callback = InContext(callback, copy_context())
        if _COMPILED:
            first = [callback]
            if self._links is None and self._outcome is _PENDING:
                self._links = first
                return
        with handler._lock:
            if self._outcome is _PENDING:
                links = self._links
                if links is None:
                    links = self._links = [callback]
                elif callback not in links:
                    links.append(callback)
                handler._fence(None)
                # A signal handler of this very thread may have set the outcome since. It may have
                # taken the list before or after the callback was added.
                if self._outcome is _PENDING or callback not in links:
                    return
                links.remove(callback)
            queued = handler._queue_links(self, [callback])
        if not queued:
            handler._call_links(self, [callback])
        elif handler._unstarted:
            handler._start_workers()

    #: The name that gevent and kazoo have for it.
    rawlink = link

    def unlink(self, callback: Callable[[Any], object]) -> None:
        """Undo :meth:`link` if there is no outcome yet. An unknown callback is ignored."""
        with self._handler._lock:
            links = self._links
            if links is not None and callback in links:
                with contextlib.suppress(ValueError):  # a signal handler has removed it
                    links.remove(callback)

    def _timeout_error(self, message: str) -> Exception:
        return timeout_error_class(self._handler.timeout_exception)(message)

    def __repr__(self) -> str:
        outcome = self._outcome
        state = "pending" if outcome is _PENDING else f"value={outcome!r}"
        if type(outcome) is Failure:
            state = f"exception={outcome.exception!r}"
        return f"<{type(self).__name__} {state}>"


def _works_at_once(handler: Any) -> bool:
    """Return True if ``_settle_at_once`` is for this handler: it runs, and is no imitation."""
    if not isinstance(handler, Mailroom):
        return False
    mailroom = handler
    return mailroom._state is _RUNNING


def _settle_at_once(result: ResultCore, outcome: Any) -> bool:
    """Do what ``_settle`` does, without the lock; return False if something has interrupted it.

    For compiled code on a running handler. Links run in the order in which results were set. So
    nothing may run between the statement that stores the outcome and the one that queues a link.
    """
    handler = result._handler
    links = result._links
    # One link is the usual case, and needs no list.
    first = (links[0], result) if links else None
    rest = [(link, result) for link in links[1:]] if links and len(links) > 1 else _NO_ITEMS
    # From here on nothing else can run, up to the wake. Something may have run until here: a
    # finalizer, when the objects above were made.
    if handler._state is not _RUNNING or not _has_only(result, links, first, rest):
        return False
    replaced = result._outcome
    result._outcome = outcome
    waiters = result._waiters
    result._links = result._waiters = None
    mailbox = handler._completions
    append = mailbox.append
    if first is not None and links is not None:
        append(first)
        for item in rest:
            append(item)
        links.clear()  # a `link` that this setter has interrupted reads it
    del replaced  # not before the new outcome is in its place: it may have a finalizer
    if first is not None and not mailbox.busy:
        with handler._lock:
            handler._ensure_worker(mailbox)
    if waiters is not None:
        # A copy: `remove_waiter` in another thread may have this list already.
        for waiter in waiters.copy():
            waiter.wake()
    if handler._unstarted:
        handler._start_workers()
    return True


def _has_only(result: ResultCore, links: Any, first: Link | None, rest: list[Link]) -> bool:
    """Return True if the result still has these links, and the items are those of all of them."""
    if first is None or result._links is not links or not links:
        return first is None and not result._links
    if len(links) != 1 + len(rest) or links[0] is not first[0]:
        return False
    # `all(...)` would make a generator, and to make an object may run a finalizer.
    for index in range(len(rest)):  # noqa: SIM110
        if links[index + 1] is not rest[index][0]:
            return False
    return True


_NO_ITEMS: list[Link] = []

#: True if this module runs as compiled code.
_COMPILED = not isinstance(_settle_at_once, FunctionType)
