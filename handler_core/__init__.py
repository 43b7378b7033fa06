"""The concurrency layer of network clients, with a plugin for each concurrency model.

``get_handler("threading")`` returns a :class:`Handler`: callbacks, results, timeouts and sockets
in the way of that model, with one API and one contract for all of them.
"""

import importlib
import typing

from handler_core.binding import inherit_hook
from handler_core.callback import Callback
from handler_core.discovery import HandlerInfo, get_handler, list_handlers
from handler_core.exceptions import (
    HandlerLoadError,
    HandlerNotFoundError,
    HandlerTimeoutError,
    HandlerValidationError,
)
from handler_core.handler import Handler
from handler_core.hookspecs import HandlerSpec, hookimpl, hookspec
from handler_core.parking import ThreadWaiter, Waiter
from handler_core.result import AsyncResult
from handler_core.selecting import fileobj_to_fd, poll_select, selector_select

if typing.TYPE_CHECKING:
    from handler_core.capture import capture_exceptions, wrap
    from handler_core.dispatched import Dispatched
    from handler_core.interfaces import IAsyncResult, IHandler
    from handler_core.socketpair import create_socket_pair
    from handler_core.sockets import create_tcp_connection, create_tcp_socket

__all__ = [
    "AsyncResult",
    "Callback",
    "Dispatched",
    "Handler",
    "HandlerInfo",
    "HandlerLoadError",
    "HandlerNotFoundError",
    "HandlerSpec",
    "HandlerTimeoutError",
    "HandlerValidationError",
    "IAsyncResult",
    "IHandler",
    "ThreadWaiter",
    "Waiter",
    "capture_exceptions",
    "create_socket_pair",
    "create_tcp_connection",
    "create_tcp_socket",
    "fileobj_to_fd",
    "get_handler",
    "hookimpl",
    "hookspec",
    "inherit_hook",
    "list_handlers",
    "poll_select",
    "selector_select",
    "wrap",
]

# What no look-up needs: these names' modules are imported when somebody asks for one of them.
_MODULES = {
    "Dispatched": "dispatched",
    "IAsyncResult": "interfaces",
    "IHandler": "interfaces",
    "capture_exceptions": "capture",
    "create_socket_pair": "socketpair",
    "create_tcp_connection": "sockets",
    "create_tcp_socket": "sockets",
    "wrap": "capture",
}


def __getattr__(name: str) -> typing.Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
