"""psycopg2 on a handler: a callback that waits, for the whole process.

psycopg2 calls one function whenever it waits, whichever thread or task it waits in. This one waits
by the handler that runs the caller. A thread that no model runs waits as ever.

If a task is cancelled while it waits, the callback cancels the query on the server. psycopg2 closes
a connection whose callback has failed. So the connection is not used again.
"""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg2
from psycopg2 import extensions

from handler_core import Handler
from handler_core_clients._postgresql import with_addresses

__all__ = ["connect", "install", "uninstall"]

_STATUS_SETUP = 0


def install(*handlers: Handler) -> None:
    """Have psycopg2 wait by the handlers, from now on, in all of the process.

    Args:
        handlers: one of each model that runs in this process. Mostly it is one. Of several, the
            one waits that runs the caller, or the first one if none does.
    """
    if not handlers:
        raise TypeError("install() takes at least one handler")

    def wait(connection: Any, cursor: Any = None) -> None:
        _wait(_of_caller(handlers), connection)

    extensions.set_wait_callback(wait)


def uninstall() -> None:
    """Have psycopg2 wait as if :func:`install` had never been called."""
    extensions.set_wait_callback(None)


def _of_caller(handlers: tuple[Handler, ...]) -> Handler:
    if len(handlers) == 1:
        return handlers[0]
    active = [handler for handler in handlers if handler.is_active()]
    return min(active or handlers[:1], key=lambda handler: handler.distance_to_caller())


def _wait(handler: Handler, connection: Any) -> None:
    deadline = None
    connects = connection.status == _STATUS_SETUP
    if connects:
        limit = connection.info.dsn_parameters.get("connect_timeout")
        # 0 and less are no limit.
        deadline = handler.clock() + int(limit) if limit and int(limit) > 0 else None
    try:
        while (state := connection.poll()) != extensions.POLL_OK:
            fds = [connection.fileno()]
            remaining = None if deadline is None else max(0.0, deadline - handler.clock())
            if state == extensions.POLL_READ:
                ready = handler.select(fds, [], [], remaining)
            else:
                ready = handler.select([], fds, [], remaining)
            if not any(ready):
                raise psycopg2.OperationalError("timeout expired")
    except BaseException as error:  # a cancellation may be any exception, on gevent and eventlet
        if connects:
            connection.close()  # whoever keeps the exception would keep the socket open
        elif not isinstance(error, psycopg2.Error):
            with contextlib.suppress(psycopg2.Error):  # if the server is gone
                connection.cancel()
        raise


def connect(handler: Handler, dsn: str | None = None, **kwargs: Any) -> Any:
    """Connect to PostgreSQL; see ``psycopg2.connect``. Names are looked up by the handler.

    Args:
        handler: looks the names up. :func:`install` says by what the connection waits.
        dsn: a string or a URL of libpq.
        kwargs: more of libpq's parameters, and what else ``psycopg2.connect`` takes.

    Raises:
        RuntimeError: :func:`install` has not been called, so the connection would stop the loop.
    """
    if extensions.get_wait_callback() is None:
        raise RuntimeError("psycopg2 would not wait by a handler: call psycopg2.install(handler)")
    own = {key: kwargs.pop(key) for key in _OWN if key in kwargs}
    parameters = extensions.parse_dsn(extensions.make_dsn(dsn, **kwargs))
    limit = int(parameters.get("connect_timeout") or 0)
    try:
        parameters = with_addresses(handler, parameters, limit if limit > 0 else None)
    except OSError as error:
        raise psycopg2.OperationalError(f"could not translate a host name: {error}") from error
    return psycopg2.connect(**parameters, **own)


#: What ``connect`` takes besides libpq's parameters.
_OWN = ("connection_factory", "cursor_factory")
