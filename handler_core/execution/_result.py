"""``AsyncResult``: the outcome of an operation, on its way.

One class serves every concurrency model. What differs between models is how a caller waits, and
that is the waiter which the handler makes; what a result keeps is the same everywhere.

A result is small, because a client under load has hundreds of thousands of them pending: its
handler, its outcome, and two lists that exist only once somebody links or waits. kazoo's result
holds a ``Condition`` from birth, fourteen times the size, and most results are never waited for.

Three rules carry the thread-safety. The outcome is one reference, a value or a :class:`_Failure`,
so that a reader without the lock sees all of one outcome or all of another. Whoever adds to the
lists, or takes them, holds the handler's lock. The lock is the handler's, not the result's own,
since the order of the links of *different* results is promised too: it is the order in which they
were set.

The third is for the setter of a result that nobody has linked to or waits for, which is most of
them: it takes no lock. It stores the outcome, passes the handler's fence, and looks into the lists;
whoever adds to a list passes the fence too, and looks at the outcome. The fence is an operation
that holds a lock of its own, for a seventh of the time of ``with lock``: of two threads that pass
it, the second sees what the first one had stored. So at least one of them sees the other, and where
both do, the handler's lock decides. What the fence shows to a thread it shows to a signal handler
and a finalizer too, which the handler's lock, being re-entrant, does not keep out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from handler_core.execution._timeout import HandlerTimeoutError, timeout_error_class
from handler_core.execution._waiter import Waiter, Waker

__all__ = ["AsyncResult", "ResultHandler"]

T = TypeVar("T")

_PENDING: Any = object()

# In place of an outcome that has been stored already.
_STORED: Any = object()


class ResultHandler(Protocol):
    """What a result needs of its handler."""

    _lock: Any
    _fence: Callable[[None], object]
    _unstarted: bool

    @property
    def timeout_exception(self) -> type[HandlerTimeoutError]:
        """What a wait raises whose time is over."""

    def new_waiter(self) -> Waiter:
        """Return a waiter with which the caller can park."""

    def refuse_wait_under_lock(self) -> None:
        """Raise if this thread holds the handler's lock."""

    def _queue_links(self, result: Any, links: list[Callable[[Any], object]]) -> bool: ...

    def _call_links(self, result: Any, links: list[Callable[[Any], object]]) -> None: ...

    def _start_workers(self) -> None: ...


class _Failure:
    """An exception as an outcome, with the traceback that it had when it came."""

    __slots__ = ("exception", "traceback")

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception
        self.traceback = _where_it_came_from(exception.__traceback__)


class AsyncResult(Generic[T]):
    """A value or an exception that is set once it is known, from any thread.

    All methods are safe from any OS thread, in every concurrency model. A second ``set`` or
    ``set_exception`` replaces the outcome and calls no callback again, as in kazoo and gevent.

    Args:
        handler: the handler whose workers run the linked callbacks and whose way of waiting is
            used. Without one, a linked callback runs at once in the setter, and waiting blocks
            the thread.
    """

    __slots__ = ("__weakref__", "_handler", "_links", "_outcome", "_waiters")

    #: A handler that is never started. It serves a result that was made without one; a plugin's
    #: own subclass names a handler of its model here.
    detached: ClassVar[ResultHandler]

    def __init__(self, handler: ResultHandler | None = None) -> None:
        self._handler = self.detached if handler is None else handler
        self._outcome = _PENDING
        self._links: list[Callable[[Any], object]] | None = None
        self._waiters: list[Waker] | None = None

    def ready(self) -> bool:
        """Return True if there is an outcome: a value or an exception."""
        return self._outcome is not _PENDING

    def successful(self) -> bool:
        """Return True if there is a value; False if there is an exception, or nothing yet."""
        outcome = self._outcome
        return outcome is not _PENDING and type(outcome) is not _Failure

    @property
    def value(self) -> T | None:
        """The value; None if there is an exception, or nothing yet."""
        outcome = self._outcome
        if outcome is _PENDING or type(outcome) is _Failure:
            return None
        return cast(T, outcome)

    @property
    def exception(self) -> BaseException | None:
        """The exception; None if there is a value, or nothing yet."""
        outcome = self._outcome
        return outcome.exception if type(outcome) is _Failure else None

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        """Return the value, or raise the exception, waiting for it if need be.

        Args:
            block: whether to wait at all.
            timeout: how long to wait, in seconds; None is for ever. Never early.

        Raises:
            HandlerTimeoutError: nothing came in time, or there is nothing and ``block`` is
                false. It is the handler's ``timeout_exception`` and a builtin ``TimeoutError``.
            RuntimeError: the wait would block the thread that runs the event loop.
            BaseException: the exception that was set. However many callers it is raised to, its
                traceback does not grow beyond what this one call adds.
        """
        outcome = self._outcome
        if outcome is _PENDING:
            if not block:
                raise self._timeout_error("there is no result yet")
            if not self.wait(timeout):
                raise self._timeout_error(f"there was no result within {timeout} seconds")
            outcome = self._outcome
        if type(outcome) is _Failure:
            try:
                raise outcome.exception.with_traceback(outcome.traceback)
            finally:
                # The exception refers to this frame by its traceback: without this, result,
                # exception and frame would be a cycle that only the collector frees.
                del self, outcome
        return cast(T, outcome)

    def get_nowait(self) -> T:
        """Return the value, or raise the exception, without waiting.

        Raises:
            HandlerTimeoutError: there is nothing yet; see :meth:`get`.
        """
        return self.get(block=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until there is an outcome.

        Args:
            timeout: how long, in seconds; None is for ever. Never early.

        Returns:
            True if there is an outcome, False if the time was over.

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
        handler.refuse_wait_under_lock()
        waiter = handler.new_waiter()
        if self.add_waiter(waiter):
            try:
                waiter.park(timeout)
            finally:
                self.remove_waiter(waiter)
        return self._outcome is not _PENDING

    def add_waiter(self, waiter: Waker) -> bool:
        """Have ``waiter.wake()`` called as soon as there is an outcome.

        What ``wait`` does before it parks, for whoever waits in another way, such as a coroutine.

        Returns:
            False if there is an outcome already: then nobody will be woken.
        """
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
        """Undo :meth:`add_waiter`: the waiter was woken, or waits no more."""
        if self._outcome is _PENDING:  # else the setter has taken the list
            with self._handler._lock:
                waiters = self._waiters
                if waiters is not None and waiter in waiters:
                    waiters.remove(waiter)

    def set(self, value: T | None = None) -> None:
        """Make ``value`` the outcome, wake all who wait, and have the linked callbacks called."""
        # Before the outcome is there, too: who sees it set, and then sets another result, has that
        # one's links called after this one's, so both are queued under the lock. (A link that comes
        # just now, neither before nor after, has no place in that order.)
        if self._links is None and self._waiters is None:
            self._outcome = value
            self._handler._fence(None)
            if self._links is None and self._waiters is None:
                return
            value = _STORED
        self._settle(value)

    def set_exception(self, exception: BaseException) -> None:
        """Make ``exception`` the outcome, as :meth:`set` does with a value.

        One exception object may be set on many results.

        Raises:
            TypeError: ``exception`` is no exception object.
        """
        if not isinstance(exception, BaseException):
            hint = f": write {exception.__name__}()" if isinstance(exception, type) else ""
            raise TypeError(f"set_exception() takes an exception, not {exception!r}{hint}")
        self._settle(_Failure(exception))

    def _settle(self, outcome: Any) -> None:
        handler = self._handler
        taken: list[Callable[[Any], object]] | None = None
        with handler._lock:
            if outcome is not _STORED:
                self._outcome = outcome
            links, waiters = self._links, self._waiters
            self._links = self._waiters = None
            if links:
                if not handler._queue_links(self, links):
                    taken = links.copy()
                # Emptied, not only dropped: a `link` that this setter interrupts looks into it.
                links.clear()
        if waiters:
            for waiter in waiters:
                waiter.wake()
        if taken:
            handler._call_links(self, taken)
        elif handler._unstarted:
            handler._start_workers()

    def link(self, callback: Callable[[Any], object]) -> None:
        """Have ``callback(result)`` called once there is an outcome.

        It is called exactly once: by the handler's second worker, in the order in which results
        were set, or at once by the setter (here: by this call, if there is an outcome already)
        where the handler is not running. Linking a callback that is already linked does nothing.

        Raises:
            TypeError: ``callback`` cannot be called.
        """
        if not callable(callback):
            raise TypeError(f"link() takes a function of one argument, not {callback!r}")
        handler = self._handler
        with handler._lock:
            if self._outcome is _PENDING:
                links = self._links
                if links is None:
                    links = self._links = [callback]
                elif callback not in links:
                    links.append(callback)
                handler._fence(None)
                # Whoever has set the outcome since, if it was a signal handler of this very
                # thread, may have taken the list before or after the callback came into it.
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
        """Undo :meth:`link`, unless there is an outcome already; an unknown callback is ignored."""
        with self._handler._lock:
            links = self._links
            if links is not None and callback in links:
                with contextlib.suppress(ValueError):  # a signal handler was faster
                    links.remove(callback)

    def _timeout_error(self, message: str) -> Exception:
        return timeout_error_class(self._handler.timeout_exception)(message)

    def __repr__(self) -> str:
        outcome = self._outcome
        if outcome is _PENDING:
            state = "pending"
        elif type(outcome) is _Failure:
            state = f"exception={outcome.exception!r}"
        else:
            state = f"value={outcome!r}"
        return f"<{type(self).__name__} {state}>"


_GET_CODE = AsyncResult.get.__code__


def _where_it_came_from(traceback: TracebackType | None) -> TracebackType | None:
    """Return the traceback less what an earlier ``get`` of a result added to it.

    A client stores one exception object in all results that a lost connection leaves behind.
    Each ``get`` puts its own frames in front of the original ones, on that one object, and the
    next result would take all of them for the origin. (pluggy's ``Result`` keeps the original
    traceback too, but there one object is stored once.)
    """
    entry = traceback
    while entry is not None:
        if entry.tb_frame.f_code is _GET_CODE:
            traceback = entry.tb_next
        entry = entry.tb_next
    return traceback
