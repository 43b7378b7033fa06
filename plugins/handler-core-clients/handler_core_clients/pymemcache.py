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
        options: those of ``pymemcache.Client``. ``tls_context`` is one of ``handler.ssl_context``.
    """

    def __init__(self, handler: Handler, server: Any, **options: Any) -> None:
        self.handler = handler
        super().__init__(server, socket_module=handler.socket_module, **options)

    def _connect(self) -> None:
        self.close()
        connect = self.handler.create_connection
        sock = connect(self.server, self.connect_timeout, ssl_context=self.tls_context)
        if self.socket_keepalive is not None:
            module, keepalive = self.handler.socket_module, self.socket_keepalive
            sock.setsockopt(module.SOL_SOCKET, module.SO_KEEPALIVE, 1)
            sock.setsockopt(module.IPPROTO_TCP, module.TCP_KEEPIDLE, keepalive.idle)
            sock.setsockopt(module.IPPROTO_TCP, module.TCP_KEEPINTVL, keepalive.intvl)
            sock.setsockopt(module.IPPROTO_TCP, module.TCP_KEEPCNT, keepalive.cnt)
        sock.settimeout(self.timeout)
        self.sock = sock

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

    client_pool: Any

    def __init__(self, handler: Handler, server: Any, **options: Any) -> None:
        self.handler = handler
        options.setdefault("lock_generator", handler.lock_object)
        super().__init__(server, socket_module=handler.socket_module, **options)
        own: Any = self.client_pool
        self.client_pool = _Pool(
            self._create_client,
            after_remove=lambda client: client.close(),
            max_size=own.max_size,
            idle_timeout=own.idle_timeout,
            lock_generator=options["lock_generator"],
        )

    def client_class(self, server: Any, **options: Any) -> Client:
        """Make a client of the pool."""
        del options["socket_module"]
        return Client(self.handler, server, **options)
