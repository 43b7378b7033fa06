"""Name resolution: from host and port to addresses, within a deadline.

The resolver of the C library has no timeout. So a look-up with a deadline runs in a thread or task
of its own, and the caller waits for its result.
"""

from __future__ import annotations

import _socket
import socket
import threading
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeAlias

from handler_core.execution._result import AsyncResult
from handler_core.execution._result_decorators import wrap
from handler_core.execution._timeout import HandlerTimeoutError
from handler_core.network._deadline import Deadline

__all__ = ["AddressInfo", "LookUp", "look_up_in_module", "look_up_in_thread", "resolve"]

#: An entry of what ``socket.getaddrinfo`` returns: family, type, protocol, name, address.
AddressInfo: TypeAlias = tuple[Any, Any, int, str, Any]

#: A function that looks up host and port, and raises ``HandlerTimeoutError`` after so many seconds.
LookUp: TypeAlias = Callable[[Any, Any, "float | None"], Sequence[AddressInfo]]


def resolve(host: Any, port: Any, deadline: Deadline, look_up: LookUp) -> Sequence[AddressInfo]:
    """Return the addresses of ``host``. A numeric address needs no look-up.

    Raises:
        TimeoutError: the deadline is over.
        OSError: the look-up failed.
    """
    try:
        return _socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass

    try:
        return look_up(host, port, deadline.remaining())
    except HandlerTimeoutError:
        raise deadline.error() from None


def look_up_in_thread(host: Any, port: Any, timeout: float | None) -> Sequence[AddressInfo]:
    """Look up in a new thread; without a timeout, in this one."""
    arguments = (host, port, 0, socket.SOCK_STREAM)
    if timeout is None:
        return socket.getaddrinfo(*arguments)
    result: AsyncResult[Sequence[AddressInfo]] = AsyncResult()
    threading.Thread(target=wrap(result)(socket.getaddrinfo), args=arguments, daemon=True).start()
    return result.get(timeout=timeout)


def look_up_in_module(
    module: ModuleType, host: Any, port: Any, timeout: float | None
) -> Sequence[AddressInfo]:
    """Look up with a green socket module, which lets other tasks run meanwhile."""
    infos: Sequence[AddressInfo] = module.getaddrinfo(host, port, 0, module.SOCK_STREAM)
    return infos
