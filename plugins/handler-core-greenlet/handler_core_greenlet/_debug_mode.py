"""What a loop in debug mode does with a call that may block.

Where the caller may not wait, a call that must wait raises a ``RuntimeError``. If the wait happens
to be over already, the call returns. So a program that calls ``recv`` in a coroutine works, as long
as the network is quick. In debug mode each call that may wait looks at its caller first, and raises
the same error.

A program without debug mode pays nothing for that. The methods look at their callers only from the
time on at which a loop is in debug mode.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import greenlet  # type: ignore[import-untyped]

from handler_core_greenlet import socket
from handler_core_greenlet._buffered_connection import LoopConnection
from handler_core_greenlet._find_hub import find_hub
from handler_core_greenlet._handler import LoopHandler
from handler_core_greenlet._hub import LoopHub
from handler_core_greenlet._queue import Queue

__all__ = ["watch_blocking_calls"]

# Returns True if a call with these arguments may wait.
_MayWait = Callable[..., bool]


def watch_blocking_calls() -> None:
    """Have each call that may block look at its caller first, from now on, in all threads.

    It does so where the hub is in debug mode; see ``LoopHub.is_debugging``. A model calls this
    when its loop is put into debug mode. A second call does nothing. Safe from any thread.
    """
    for cls, name, may_wait in _BLOCKING:
        method = getattr(cls, name)
        if name not in vars(cls) or not hasattr(method, "_looks_at_caller"):
            setattr(cls, name, _looking_at_caller(method, may_wait))


def _looking_at_caller(method: Callable[..., Any], may_wait: _MayWait) -> Callable[..., Any]:
    @functools.wraps(method)
    def look_and_call(*args: Any, **kwargs: Any) -> Any:
        hub = find_hub()
        if hub is not None and hub.is_debugging() and may_wait(*args, **kwargs):
            hub.new_waiter(greenlet.getcurrent())  # raises if the caller may not wait
        return method(*args, **kwargs)

    look_and_call._looks_at_caller = True  # type: ignore[attr-defined]
    return look_and_call


def _socket_may_wait(sock: Any, *args: Any, flags: int = 0, **kwargs: Any) -> bool:
    return bool(sock.gettimeout() != 0 and not flags & socket.MSG_DONTWAIT)


def _data_may_wait(sock: Any, data: Any, flags: int = 0) -> bool:
    return _socket_may_wait(sock, flags=flags)


def _select_may_wait(*args: Any) -> bool:
    return bool(args[-1] != 0)


def _get_may_wait(queue: Any, block: bool = True, timeout: float | None = None) -> bool:
    return block


def _put_may_wait(
    queue: Any, item: object, block: bool = True, timeout: float | None = None
) -> bool:
    return bool(block and queue.maxsize > 0)


# Every other operation of a socket calls `until_done`.
_BLOCKING: tuple[tuple[type, str, _MayWait], ...] = (
    (socket.socket, "until_done", _socket_may_wait),
    (socket.socket, "connect", _socket_may_wait),
    (socket.socket, "connect_ex", _socket_may_wait),
    (socket.socket, "sendall", _data_may_wait),
    (LoopConnection, "recv", _data_may_wait),
    (LoopConnection, "send", _data_may_wait),
    (LoopHub, "select", _select_may_wait),
    (LoopHandler, "select_in_hub", _select_may_wait),
    (Queue, "get", _get_may_wait),
    (Queue, "put", _put_may_wait),
)
