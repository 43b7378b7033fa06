"""Descriptors and sockets: select, connections, socket pairs.

Everything here takes a *socket module*, ``socket`` or one that looks like it, so that each wait
lets the other tasks of that model run.

The names below are public. The modules with an underscore belong to handler-core alone.
"""

import typing

from handler_core.execution._lazy import lazy_names as _lazy_names
from handler_core.network._select import (
    LONGEST_TURN,
    SHORTEST_SLEEP,
    FileObject,
    NestedEpoll,
    SelectLists,
    Watch,
    blocking_select,
    checked_timeout,
    cooperative_select,
    fileobj_to_fd,
    poll_select,
    selector_select,
    take_poll_set,
)

if typing.TYPE_CHECKING:
    from handler_core.network._connect import (
        AddressInfo,
        create_tcp_connection,
        create_tcp_socket,
    )
    from handler_core.network._connection import Connection
    from handler_core.network._socket_mixin import SocketMixin
    from handler_core.network._socket_pair import create_socket_pair

__all__ = [
    "LONGEST_TURN",
    "SHORTEST_SLEEP",
    "AddressInfo",
    "Connection",
    "FileObject",
    "NestedEpoll",
    "SelectLists",
    "SocketMixin",
    "Watch",
    "blocking_select",
    "checked_timeout",
    "cooperative_select",
    "create_socket_pair",
    "create_tcp_connection",
    "create_tcp_socket",
    "fileobj_to_fd",
    "poll_select",
    "selector_select",
    "take_poll_set",
]

__getattr__, __dir__ = _lazy_names(
    __name__,
    {
        "._connect": "AddressInfo create_tcp_connection create_tcp_socket",
        "._connection": "Connection",
        "._socket_mixin": "SocketMixin",
        "._socket_pair": "create_socket_pair",
    },
)
