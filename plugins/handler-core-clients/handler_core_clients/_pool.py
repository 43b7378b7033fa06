"""A pool of connections, for libraries whose own pool has threads, or locks of threads.

A task that is cancelled in the midst of a request leaves the rest of the answer in the connection.
Whoever got that connection next would take it for the answer to its own request. So the pool closes
what such a task gives back.

A connection that breaks while nobody uses it raises in its next call. After a restart of the server
each connection would do that. So the first one that breaks counts for all that were made before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from handler_core import Handler

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
        self._connect = connect
        self._empty = handler.queue_empty
        # A place is a connection that nobody uses, with its era, or None for one that is not made
        # yet. An era ends when a connection breaks.
        # The last one comes first, so that a pool makes no more than are used at a time.
        self._places: Any = handler.lifo_queue_impl()
        for _ in range(size):
            self._places.put(None)
        self._size = size
        self._era = 0
        self._closed = False

    @contextlib.contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[C]:
        """Lend a connection.

        Args:
            timeout: how many seconds to wait for one; None waits for ever.

        Raises:
            PoolTimeoutError: all are in use, for so long.
            RuntimeError: the pool is closed.
        """
        try:
            place = self._places.get(timeout=timeout)
        except self._empty:
            raise PoolTimeoutError(
                f"all {self._size} connections are in use for {timeout} seconds"
            ) from None
        connection, era = place or (None, self._era)
        kept = None
        try:
            if self._closed:
                raise RuntimeError("this pool is closed")
            if connection is not None and era != self._era:
                _close(connection)
                connection = None
            if connection is None or _is_closed(connection):
                era = self._era
                connection = self._connect()
            try:
                yield connection
            except Exception:
                kept = _cleaned(connection)
                if kept is None and era == self._era:
                    self._era += 1
                raise
            except BaseException:
                _close(connection)
                raise
            else:
                kept = _cleaned(connection)
        finally:
            if self._closed and kept is not None:
                _close(kept)
                kept = None
            self._places.put(None if kept is None else (kept, era))

    def close(self) -> None:
        """Close the connections that nobody uses now, and each other one when it is given back."""
        self._closed = True
        places = 0
        with contextlib.suppress(self._empty):
            while True:
                place = self._places.get(block=False)
                places += 1
                if place is not None:
                    _close(place[0])
        for _ in range(places):
            self._places.put(None)  # who waits for one hears that the pool is closed


def _is_closed(connection: Any) -> bool:
    closed = getattr(connection, "closed", None)
    return not getattr(connection, "open", True) if closed is None else bool(closed)


def _cleaned(connection: C) -> C | None:
    """Return the connection without a transaction, or None if it is of no use any more."""
    if _is_closed(connection):
        return None
    rollback = getattr(connection, "rollback", None)
    try:
        if rollback is not None:
            rollback()
    except Exception:
        _close(connection)
        return None
    except BaseException:
        _close(connection)
        raise
    return connection


def _close(connection: Any) -> None:
    with contextlib.suppress(Exception):  # it is broken, and is closed by that
        connection.close()
