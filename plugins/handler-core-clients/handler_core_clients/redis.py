"""redis-py on a handler: connections, a pool, retries and a lock.

redis-py has a class for connections, in which one method connects, and a pool that takes the class
of its queue. Its retries and its lock sleep by ``time.sleep``: the backoff and the lock here sleep
by the handler.

redis-py itself closes a connection whose command was cancelled. So no answer is ever read by
another command.
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

import redis.backoff
import redis.connection
import redis.lock
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from handler_core import Handler

__all__ = ["Backoff", "ConnectionPool", "Lock"]


class _OnHandler:
    """Connects by a handler. A subclass has the handler, and redis-py's class."""

    handler: ClassVar[Handler]

    # Attributes of redis-py's class.
    host: str
    port: int
    socket_timeout: float | None
    socket_connect_timeout: float | None
    socket_keepalive: bool
    socket_keepalive_options: dict[int, int | bytes]

    def _connect(self) -> Any:
        address = self.host, self.port
        connect = self.handler.create_connection
        sock = connect(address, self.socket_connect_timeout, **self.tls_options())
        module = self.handler.socket_module
        if self.socket_keepalive:
            sock.setsockopt(module.SOL_SOCKET, module.SO_KEEPALIVE, 1)
            for option, value in self.socket_keepalive_options.items():
                sock.setsockopt(module.IPPROTO_TCP, option, value)
        sock.settimeout(self.socket_timeout)
        return sock

    def tls_options(self) -> dict[str, Any]:
        return {}


class _Connection(_OnHandler, redis.connection.Connection):
    """A connection without TLS."""


class _TLSConnection(_OnHandler, redis.connection.SSLConnection):
    """A connection with TLS, which the handler sets up."""

    def tls_options(self) -> dict[str, Any]:
        for option in (
            *("ca_data", "ssl_include_verify_flags", "ssl_exclude_verify_flags"),
            *("ssl_min_version", "ssl_validate_ocsp", "ssl_validate_ocsp_stapled"),
        ):
            if getattr(self, option):
                raise ValueError(f"{option} is not among the options of a handler's TLS")
        verified = self.cert_reqs.name != "CERT_NONE"
        return {
            "use_ssl": True,
            "ca": self.ca_certs or self.ca_path,
            "certfile": self.certfile,
            "keyfile": self.keyfile,
            "keyfile_password": self.certificate_password,
            "verify_certs": verified,
            "check_hostname": verified and self.check_hostname,
            "ciphers": self.ssl_ciphers,
        }


class _UnixConnection(_OnHandler, redis.connection.UnixDomainSocketConnection):
    """A connection by a Unix socket."""

    path: str

    def _connect(self) -> Any:
        sock = self.handler.create_connection(self.path, self.socket_connect_timeout)
        sock.settimeout(self.socket_timeout)
        return sock


_CLASSES: dict[type, type] = {
    redis.connection.Connection: _Connection,
    redis.connection.SSLConnection: _TLSConnection,
    redis.connection.UnixDomainSocketConnection: _UnixConnection,
}


class Backoff(redis.backoff.AbstractBackoff):
    """Another backoff of redis-py's, which sleeps by the handler.

    ``Retry(Backoff(handler, ExponentialBackoff()), 3)`` is a policy for a pool or a client.

    Args:
        handler: whose ``sleep_func`` sleeps.
        backoff: says for how long.
    """

    def __init__(self, handler: Handler, backoff: redis.backoff.AbstractBackoff) -> None:
        self._handler = handler
        self._backoff = backoff

    def __deepcopy__(self, memo: dict[int, Any]) -> Backoff:
        # redis-py copies the policy for each connection. It has no state of its own.
        return Backoff(self._handler, self._backoff)

    def reset(self) -> None:
        """Begin anew."""
        self._backoff.reset()

    def compute(self, failures: int) -> float:
        """Sleep, and return that there is no need to."""
        self._handler.sleep_func(self._backoff.compute(failures))
        return 0


class ConnectionPool(redis.BlockingConnectionPool):
    """redis-py's pool whose connections and whose queue wait by a handler.

    ``redis.Redis(connection_pool=ConnectionPool(handler, host="localhost"))`` is a client. To name
    the server by a URL, write ``ConnectionPool.from_url("rediss://localhost", handler=handler)``.

    If all connections are in use, a task waits for one, for ``timeout`` seconds.

    Args:
        handler: what waits.
        max_connections: how many there are at the most.
        timeout: how many seconds a task waits for one; None is for ever.
        connection_class: one of redis-py's three classes. ``SSLConnection`` has TLS.
        options: for the connections. The default of ``retry`` is that of ``redis.Redis``: three
            times, with a backoff.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        max_connections: int = 50,
        timeout: float | None = 20,
        connection_class: type = redis.connection.Connection,
        **options: Any,
    ) -> None:
        self.handler = handler
        known = _CLASSES.get(connection_class)
        if known is None:
            raise TypeError(f"connection_class is one of redis-py's, not {connection_class!r}")
        backoff = redis.backoff.ExponentialWithJitterBackoff(base=1, cap=10)
        options.setdefault("retry", Retry(Backoff(handler, backoff), 3))
        # They would start threads.
        options.setdefault("maint_notifications_config", MaintNotificationsConfig(enabled=False))
        super().__init__(  # type: ignore[no-untyped-call]
            max_connections=max_connections,
            timeout=timeout,
            connection_class=type(known.__name__, (known,), {"handler": handler}),
            queue_class=handler.lifo_queue_impl,
            **options,
        )


class Lock(redis.lock.Lock):
    """redis-py's lock, which sleeps by the handler of its client's pool.

    ``client.lock("name", lock_class=Lock)``, where the client has a :class:`ConnectionPool`. A task
    has a lock object of its own.
    """

    def acquire(
        self,
        sleep: float | None = None,
        blocking: bool | None = None,
        blocking_timeout: float | None = None,
        token: str | None = None,
    ) -> bool:
        """Take the lock; return True, or False if it was not free in time.

        Args:
            sleep: seconds between two attempts.
            blocking: whether there is more than one.
            blocking_timeout: seconds for all of them; None is for ever.
            token: the value by which the server knows the owner.
        """
        handler = getattr(self.redis.connection_pool, "handler", None)
        if handler is None:
            raise TypeError("this Lock is for a client whose connection_pool is of a handler")
        pause = self.sleep if sleep is None else sleep
        waits = self.blocking if blocking is None else blocking
        limit = self.blocking_timeout if blocking_timeout is None else blocking_timeout
        deadline = None if limit is None else time.monotonic() + limit
        while not super().acquire(blocking=False, token=token):
            if not waits or (deadline is not None and time.monotonic() + pause > deadline):
                return False
            handler.sleep_func(pause)
        return True
