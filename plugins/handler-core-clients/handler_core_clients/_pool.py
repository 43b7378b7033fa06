"""A pool of connections, for libraries whose own pool has threads, or locks of threads.

A task that is cancelled in the midst of a request leaves the rest of the answer in the connection.
Whoever got that connection next would take it for the answer to its own request. So the pool closes
what such a task gives back.

A connection that breaks while nobody uses it raises in its next call. After a restart of the server
each connection would do that. So the first one that breaks counts for all that were made before.

A task that gives a connection back and wants one again at once waits behind those that wait.

A forked child has the descriptors of its parent's connections. What it said there would disturb the
parent. So the pool is empty in the child.
"""

from __future__ import annotations

import contextlib
import math
import os
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from handler_core import Handler
from handler_core.execution import Waiter

__all__ = ["Pool", "PoolTimeoutError"]

C = TypeVar("C")


class PoolTimeoutError(TimeoutError):
    """No connection was given back in time."""


class Pool(Generic[C]):
    """Up to ``size`` connections, which tasks share one after the other.

    ``with pool.connection() as connection:`` lends one, and makes it if there is none. Any task of
    the model may call this, and any thread.

    At the end of the block the connection goes back, after a ``rollback`` if it has that method. So
    what was not committed is undone. It is closed instead if the block ends by what is no
    ``Exception``, such as a cancellation, or if the ``rollback`` fails.

    If a connection breaks in a block, the pool makes new ones in place of those that it has. So a
    task that tries once more gets a new connection.

    Args:
        handler: whose tasks use the pool.
        connect: makes a connection.
        size: how many there are at the most.
    """

    def __init__(self, handler: Handler, connect: Callable[[], C], size: int = 10) -> None:
        if size < 1:
            raise ValueError(f"a pool has one connection or more, not {size}")
        self._handler = handler
        self._connect = connect
        self._size = size
        self._turns = _Turns(handler, size)
        # Connections that nobody uses, with their eras. An era ends when a connection breaks.
        # The last one comes first, so that a pool makes no more than are used at a time.
        self._idle: deque[tuple[C, int]] = deque()
        self._era = 0
        # They stay alive in a child, since many a library ends a connection that is dropped.
        self._of_parents: list[C] = []
        self._closed = False
        _pools.add(self)

    @contextlib.contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[C]:
        """Lend a connection.

        Args:
            timeout: how many seconds to wait for one; None waits for ever.

        Raises:
            PoolTimeoutError: all are in use, for so long.
            RuntimeError: the pool is closed.
        """
        turns = self._turns
        if not turns.take(timeout):
            raise PoolTimeoutError(f"all {self._size} connections are in use for {timeout} seconds")
        try:
            if self._closed:
                raise RuntimeError("this pool is closed")
            connection, era = self._idle_one() or (None, self._era)
            if connection is None:
                connection = self._connect()
            try:
                yield connection
            except Exception:
                if not self._take_back(connection, era, turns) and era == self._era:
                    self._era += 1
                raise
            except BaseException:
                if self._turns is turns:
                    _close(connection)
                raise
            self._take_back(connection, era, turns)
        finally:
            turns.give()

    def close(self) -> None:
        """Close the connections that nobody uses now, and each other one when it is given back.

        Tasks that wait for a connection hear at once that the pool is closed.
        """
        self._closed = True
        self._close_idle()
        self._turns.end()

    def _idle_one(self) -> tuple[C, int] | None:
        """Take out a connection that nobody uses, and that works as far as is known."""
        with contextlib.suppress(IndexError):
            while True:
                connection, era = self._idle.pop()
                if era == self._era and not _is_closed(connection):
                    return connection, era
                _close(connection)
        return None

    def _take_back(self, connection: C, era: int, turns: _Turns) -> bool:
        """Keep a connection for others; return False if it is of no use any more."""
        if self._turns is not turns:  # the process has forked in the block
            self._of_parents.append(connection)
            return True
        if not _is_clean(connection):
            return False
        self._idle.append((connection, era))
        if self._closed:
            self._close_idle()
        return True

    def _close_idle(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                _close(self._idle.pop()[0])

    def _after_fork_in_child(self) -> None:
        """Have all connections still to be made."""
        self._of_parents += [connection for connection, _ in self._idle]
        self._idle.clear()
        self._turns = _Turns(self._handler, self._size)


class _Turns:
    """Lets so many tasks go on at a time, the others in the order in which they came."""

    def __init__(self, handler: Handler, count: int) -> None:
        self._new_waiter = handler.new_waiter
        # A native lock, held for a few instructions. Tasks of any thread come here.
        self._guard = handler.new_native_rlock()
        self._free: float = count
        self._waiting: deque[Waiter] = deque()

    def take(self, timeout: float | None) -> bool:
        """Wait for a turn; return False if none came in time."""
        with self._guard:
            if self._free:
                self._free -= 1
                return True
        if timeout is not None and timeout <= 0:
            return False
        waiter = self._new_waiter()
        with self._guard:
            if self._free:
                self._free -= 1
                return True
            self._waiting.append(waiter)
        woken = False
        try:
            woken = waiter.park(timeout)
        finally:
            if not woken and not self._withdraw(waiter):
                self.give()  # the turn came just as the time was over, or as the task was ended
        return woken

    def give(self) -> None:
        """End a turn: it is that of the task that has waited longest, or else is free."""
        with self._guard:
            while self._waiting:
                waiter = self._waiting.popleft()
                if not waiter.is_lost():
                    break
            else:
                self._free += 1
                return
        waiter.wake()

    def end(self) -> None:
        """Let all tasks go on, those that come later too."""
        with self._guard:
            self._free = math.inf
            waiting = list(self._waiting)
            self._waiting.clear()
        for waiter in waiting:
            waiter.wake()

    def _withdraw(self, waiter: Waiter) -> bool:
        """Wait no more; return False if the turn has come."""
        with self._guard:
            if waiter not in self._waiting:
                return False
            self._waiting.remove(waiter)
            return True


_pools: weakref.WeakSet[Pool[Any]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for pool in list(_pools):
        pool._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _is_closed(connection: Any) -> bool:
    closed = getattr(connection, "closed", None)
    return not getattr(connection, "open", True) if closed is None else bool(closed)


def _is_clean(connection: Any) -> bool:
    """Undo what is not committed; return False if the connection is of no use any more."""
    if _is_closed(connection):
        return False
    rollback = getattr(connection, "rollback", None)
    try:
        if rollback is not None:
            rollback()
    except Exception:
        _close(connection)
        return False
    except BaseException:
        _close(connection)
        raise
    return True


def _close(connection: Any) -> None:
    with contextlib.suppress(Exception):  # it is broken, and is closed by that
        connection.close()
