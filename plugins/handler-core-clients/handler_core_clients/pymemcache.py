"""pymemcache on a handler: clients that close what a cancelled call leaves half read.

pymemcache takes a socket module, and that is enough for everything but two things. It tries only
the first address of a name. And after a call that was cancelled, the rest of its answer is read as
the answer to the next one.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from pymemcache.client import base
from pymemcache.pool import ObjectPool

from handler_core import Handler

__all__ = ["Client", "PooledClient"]


def _closing(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that closes the connection if it is cancelled."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception:  # pymemcache has closed it, if that is necessary
            raise
        except BaseException:
            self.close()
            raise

    return call


class Client(base.Client):  # type: ignore[misc]
    """pymemcache's client, which waits by a handler.

    Args:
        handler: what waits.
        server: host and port, or the path of a Unix socket.
        options: those of ``pymemcache.Client``.
    """

    def __init__(self, handler: Handler, server: Any, **options: Any) -> None:
        self.handler = handler
        super().__init__(server, socket_module=handler.socket_module, **options)

    def _connect(self) -> None:
        if not isinstance(self.server, tuple) or self.tls_context:
            super()._connect()
            return
        self.close()
        self.sock = self.handler.create_connection(self.server, self.connect_timeout)
        self.sock.settimeout(self.timeout)

    _fetch_cmd = _closing(base.Client._fetch_cmd)
    _store_cmd = _closing(base.Client._store_cmd)
    _misc_cmd = _closing(base.Client._misc_cmd)


class _Pool(ObjectPool):  # type: ignore[misc]
    """pymemcache's pool, which also gets back what a cancelled task has borrowed."""

    @contextlib.contextmanager
    def get_and_release(self, destroy_on_fail: bool = False) -> Iterator[Client]:
        client = self.get()
        try:
            yield client
        except Exception:
            if destroy_on_fail:
                self.destroy(client)
            else:
                self.release(client)
            raise
        except BaseException:
            self.destroy(client)
            raise
        self.release(client)


class PooledClient(base.PooledClient):  # type: ignore[misc]
    """pymemcache's client with a pool of connections, which wait by a handler.

    Args:
        handler: what waits.
        server: host and port, or the path of a Unix socket.
        options: those of ``pymemcache.PooledClient``.
    """

    def __init__(self, handler: Handler, server: Any, **options: Any) -> None:
        self.handler = handler
        options.setdefault("lock_generator", handler.lock_object)
        super().__init__(server, socket_module=handler.socket_module, **options)
