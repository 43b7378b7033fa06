"""The concurrency layer of network clients, with a plugin for each concurrency model.

``get_handler("threading")`` returns a :class:`Handler`. Its callbacks, results, timeouts and
sockets work in the way of that model. The API and the contract are the same for all models.

The names below are all that a client needs. They come from ``lookup``, ``handler``, ``hookspecs``,
``network`` and ``execution``. An author of a model finds more public names in these packages, and
in ``green`` and ``testing``.
"""

import typing

from handler_core.execution import AsyncResult, Callback, HandlerTimeoutError, ThreadWaiter, Waiter
from handler_core.execution._lazy_imports import lazy_names as _lazy_names
from handler_core.handler import Handler, inherit_hook
from handler_core.hookspecs import HandlerSpec, hookimpl, hookspec
from handler_core.lookup import (
    HandlerInfo,
    HandlerLoadError,
    HandlerNotFoundError,
    HandlerValidationError,
    get_handler,
    list_handlers,
)
from handler_core.network import fileobj_to_fd, poll_select

if typing.TYPE_CHECKING:
    from handler_core.execution import (
        IAsyncResult,
        IHandler,
        TimerHandle,
        capture_exceptions,
        wrap,
    )
    from handler_core.lookup import Dispatched
    from handler_core.lookup._version import __version__ as __version__
    from handler_core.network import (
        create_socket_pair,
        create_tcp_connection,
        create_tcp_socket,
        selector_select,
    )

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
    "TimerHandle",
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

__getattr__, __dir__ = _lazy_names(
    __name__,
    {
        ".execution": "IAsyncResult IHandler TimerHandle capture_exceptions wrap",
        ".lookup": "Dispatched",
        ".lookup._version": "__version__",
        ".network": "create_socket_pair create_tcp_connection create_tcp_socket selector_select",
    },
)
