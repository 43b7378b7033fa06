"""Descriptors and sockets: ``select``, TCP connections and socket pairs.

A network client waits for sockets, connects to a server, and wakes its own loop through a socket
pair. These three are the same for every concurrency model, so they are here, below the handlers.
Each function takes what differs as an argument, most often a *socket module*: ``socket``, or one
with its names. It waits only through that, so the other tasks of the model run meanwhile.

The names below are public. Modules whose name begins with an underscore are private to
handler-core. A look-up of a handler needs ``select`` only; the rest is imported at its first use.
"""

import typing

from handler_core.execution._lazy_imports import lazy_names as _lazy_names
from handler_core.network._nested_poll import NestedPoll, Watch
from handler_core.network._poll_set import PollSet, take_poll_set
from handler_core.network._select import (
    LONGEST_TURN,
    SHORTEST_SLEEP,
    blocking_select,
    cooperative_select,
    poll_select,
)
from handler_core.network._select_arguments import (
    FileObject,
    SelectLists,
    checked_timeout,
    fileobj_to_fd,
)

if typing.TYPE_CHECKING:
    from handler_core.network._connect import create_tcp_connection, create_tcp_socket
    from handler_core.network._connection import Connection
    from handler_core.network._resolver import AddressInfo
    from handler_core.network._selector_select import selector_select
    from handler_core.network._socket_mixin import SocketMixin, watch_closed_descriptors
    from handler_core.network._socket_pair import create_socket_pair
    from handler_core.network._thread_connection import ThreadConnection

__all__ = [
    "LONGEST_TURN",
    "SHORTEST_SLEEP",
    "AddressInfo",
    "Connection",
    "FileObject",
    "NestedPoll",
    "PollSet",
    "SelectLists",
    "SocketMixin",
    "ThreadConnection",
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
    "watch_closed_descriptors",
]

__getattr__, __dir__ = _lazy_names(
    __name__,
    {
        "._connect": "create_tcp_connection create_tcp_socket",
        "._connection": "Connection",
        "._resolver": "AddressInfo",
        "._selector_select": "selector_select",
        "._socket_mixin": "SocketMixin watch_closed_descriptors",
        "._socket_pair": "create_socket_pair",
        "._thread_connection": "ThreadConnection",
    },
)
