"""psycopg 3 on a handler: its generators, driven by the handler's ``select``.

psycopg says all that it has to wait for by generators, and a connection runs them in one method.
The connection here runs them by ``select``, and has a lock of the handler's.

If the task is cancelled while it waits, the query is cancelled on the server, and what the server
says to that is read. Then the connection is as before, and may be used again.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Generator
from typing import Any, ClassVar, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo, timeout_from_conninfo
from psycopg.generators import copy_end, copy_from
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGconn
from psycopg.waiting import Ready, Wait

from handler_core import Handler
from handler_core_clients._postgresql import with_addresses

__all__ = ["Connection", "connect", "connection_class"]

T = TypeVar("T")
_logger = logging.getLogger("handler_core.clients")

# Seconds that the server has for the cancellation of a query.
_TIME_TO_CANCEL = 5.0


class Connection(psycopg.Connection[Any]):
    """psycopg's connection, which waits by a handler. :func:`connection_class` names the handler.

    A cancelled call cancels its query. ``close`` and all else is as in psycopg.
    """

    handler: ClassVar[Handler]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lock: Any = self.handler.lock_object()

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Any:
        """Connect; see ``psycopg.Connection.connect``. Names are looked up by the handler."""
        own = {key: kwargs.pop(key) for key in _OWN if key in kwargs}
        parameters = conninfo_to_dict(conninfo, **kwargs)
        timeout = timeout_from_conninfo(parameters)
        try:
            parameters = with_addresses(cls.handler, parameters, timeout)
        except OSError as error:
            raise errors.OperationalError(f"failed to resolve a host: {error}") from error
        return super().connect(make_conninfo("", **parameters), **own)

    @classmethod
    def _connect_gen(cls, conninfo: str = "", **kwargs: Any) -> Any:
        """Connect, and yield nothing: what drives this generator would block."""
        timeout = timeout_from_conninfo(conninfo_to_dict(conninfo))
        # The generator holds the socket, and the traceback of a cancellation holds the generator.
        # On gevent and eventlet that exception is in a cycle of references.
        with contextlib.closing(super()._connect_gen(conninfo, **kwargs)) as generator:
            return cls._run(generator, None, timeout)
        yield

    @classmethod
    def _run(cls, generator: Generator[Any, Any, T], fd: int | None, timeout: float | None) -> T:
        """Run a generator to its end, and return what it returns.

        Args:
            generator: it yields what it waits for. It is sent what is ready.
            fd: the descriptor that it waits for. If it is None, the generator yields it as well.
            timeout: seconds; None is for ever.
        """
        handler = cls.handler
        deadline = None if timeout is None else handler.clock() + timeout
        try:
            wanted = next(generator)
            while True:
                target, wait = wanted if fd is None else (fd, wanted)
                wanted = generator.send(_ready(handler, target, wait, deadline))
                if deadline is not None and handler.clock() >= deadline:
                    raise errors._WaitTimeout("wait timeout expired")
        except StopIteration as end:
            value: T = end.value
            return value

    def wait(
        self, gen: Generator[Any, Any, T], interval: float = 0.0, timeout: float | None = None
    ) -> T:
        """Run one of psycopg's generators; see ``psycopg.Connection.wait``."""
        begins = self.pgconn.transaction_status != TransactionStatus.ACTIVE
        try:
            return self._run(gen, self.pgconn.socket, timeout)
        except psycopg.Error:
            raise
        except BaseException:  # a cancellation may be any exception, on gevent and eventlet
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self._cancel_and_drain(gen, begins)
            raise

    def _cancel_and_drain(self, generator: Generator[Any, Any, Any], begins: bool) -> None:
        """Cancel the query, and read its end. If that fails, close the connection.

        Args:
            generator: what waits for the query.
            begins: True if the query began in this call.
        """
        try:
            self.cancel_safe(timeout=_TIME_TO_CANCEL)
            self._run(generator, self.pgconn.socket, _TIME_TO_CANCEL)
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                rest = _rest_of_copy(self.pgconn, begins)
                self._run(rest, self.pgconn.socket, _TIME_TO_CANCEL)
        except errors.QueryCanceled:
            pass
        except Exception as error:
            status = self.pgconn.transaction_status
            if status in (TransactionStatus.ACTIVE, TransactionStatus.UNKNOWN):
                _logger.warning("a query is not cancelled, and its connection is closed: %s", error)
                self.pgconn.finish()
        except BaseException:
            self.pgconn.finish()
            raise

    def cancel_safe(self, *, timeout: float = 30.0) -> None:
        """Cancel what the connection does now; see ``psycopg.Connection.cancel_safe``."""
        if not self._should_cancel():
            return
        try:
            with contextlib.closing(self._cancel_gen()) as generator:  # it holds a socket
                self._run(generator, None, timeout or None)
        except errors._WaitTimeout:
            raise errors.CancellationTimeout("cancellation timeout expired") from None


#: What ``connect`` takes besides libpq's parameters.
_OWN = (*("autocommit", "prepare_threshold", "context", "row_factory", "cursor_factory"),)


def _rest_of_copy(pgconn: PGconn, begins: bool) -> Generator[Any, Any, None]:
    """Read a ``COPY ... TO`` to its end, and end a ``COPY ... FROM`` that has just begun.

    If it has just begun, psycopg has no ``Copy`` object yet that would end it. All else that is not
    at its end is in a block of psycopg's, which ends it.
    """
    with contextlib.suppress(psycopg.OperationalError):  # it was cancelled, or it is no such COPY
        while isinstance((yield from copy_from(pgconn)), memoryview):
            pass
    if begins and pgconn.transaction_status == TransactionStatus.ACTIVE:
        with contextlib.suppress(psycopg.OperationalError):
            yield from copy_end(pgconn, b"cancelled")


def _ready(handler: Handler, fd: int, wait: int, deadline: float | None) -> Ready:
    """Wait until the descriptor is ready; return for what, which is nothing after the deadline."""
    remaining = None if deadline is None else max(0.0, deadline - handler.clock())
    try:
        readable, writable, _ = handler.select(
            [fd] if wait & Wait.R else [], [fd] if wait & Wait.W else [], [], remaining
        )
    except TimeoutError:  # select itself raises none, so it is what ends the task's waiting
        raise
    except (OSError, ValueError) as error:
        raise errors.OperationalError("connection socket closed") from error
    ready = (Ready.R if readable else Ready.NONE) | (Ready.W if writable else Ready.NONE)
    return Ready(ready)


def connection_class(handler: Handler) -> type[Connection]:
    """Return a class whose ``connect`` makes connections that wait by the handler."""
    return type("Connection", (Connection,), {"handler": handler})


def connect(handler: Handler, conninfo: str = "", **kwargs: Any) -> Connection:
    """Connect to PostgreSQL; see ``psycopg.connect``.

    Args:
        handler: what waits.
        conninfo: a string or a URL of libpq.
        kwargs: more of libpq's parameters, and what else ``psycopg.connect`` takes.
    """
    connection: Connection = connection_class(handler).connect(conninfo, **kwargs)
    return connection
