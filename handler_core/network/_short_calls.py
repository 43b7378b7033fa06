"""System calls that do not give the interpreter's lock away, for threads.

Python's sockets and ``poll`` give up the interpreter's lock (the GIL) around each call. That is
right for a call that waits. A call that cannot wait is over in a microsecond. But the thread then
queues for the lock behind every other thread that wants it, and that costs two switches of threads.
A client whose loop makes six calls for a request spends most of its time on that.

A compiled build has a module for these calls, :mod:`handler_core.network._native_calls`. Without
it, ``ctypes.PyDLL`` calls a C function without giving the lock away. The calls have the flag that
they may not wait. Where one of them does nothing, because it would have to wait or has failed, the
caller makes it again in the ordinary way, and gets the ordinary error.

Nobody can close the socket between the reading of its descriptor and the call. ``ctypes`` asks a
socket for ``_as_parameter_``, and here that is C code all the way down. So is the ``fileno`` that
the compiled calls ask for.
"""

from __future__ import annotations

import _socket
import functools
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from handler_core.network._lock_turns import may_keep_lock

if TYPE_CHECKING:
    from handler_core.network._native_calls import Receiver

try:
    import handler_core.network._native_calls as _native_calls
except ImportError:  # it is missing, or the Python source is to run
    _native_calls = None  # type: ignore[assignment]

__all__ = [
    "NativeSocket",
    "ShortCalls",
    "ShortPoll",
    "ShortReceiver",
    "quick_select",
    "short_calls",
    "short_poll",
    "short_receiver",
    "short_send",
]

_DONT_WAIT = getattr(_socket, "MSG_DONTWAIT", 0)

# More bytes take longer to copy than two switches of threads.
_MOST_BYTES = 65_536

# A client that sends the rest of a message sends a view of it.
_BYTES = (bytes, bytearray, memoryview)

# Of more descriptors, a poll object finds those that are ready more quickly.
_MOST_DESCRIPTORS = 4

#: Does what ``select.select`` does; None where there is no compiled build. See ``_native_calls``.
quick_select = None if _native_calls is None else _native_calls.quick_select


class NativeCalls:
    """The compiled functions, and the types that their arguments need."""

    def __init__(self) -> None:
        self.send: Callable[..., int] = _native_calls.send
        self.recv: Callable[..., int] = _native_calls.recv
        self.size: Callable[[int], Any] = int
        self.new_buffer: Callable[[int], Any] = bytearray
        self.announce: Callable[..., int] | None = _native_calls.announce
        self.take_last: Callable[..., Any] | None = _native_calls.take_last


class ShortCalls:
    """The functions of the C library, and the types that their arguments need."""

    # What only a compiled build has.
    announce: Callable[..., int] | None = None
    take_last: Callable[..., Any] | None = None

    def __init__(self) -> None:
        import ctypes

        library = ctypes.PyDLL(None)
        self.poll: Callable[..., int] = library.poll
        self.send: Callable[..., int] = library.send
        self.recv: Callable[..., int] = library.recv
        self.size: Callable[[int], Any] = ctypes.c_size_t
        self.count: Callable[[int], Any] = ctypes.c_ulong
        self.new_buffer: Callable[[int], Any] = ctypes.create_string_buffer
        self.new_pollfds: Callable[[list[tuple[int, int]]], Any] = _new_pollfds(ctypes)
        self.bytes_at: Callable[[Any, int], bytes] = ctypes.string_at


def _new_pollfds(ctypes: Any) -> Callable[[list[tuple[int, int]]], Any]:
    """Return a function that makes an array of ``struct pollfd``."""

    class Entry(ctypes.Structure):  # type: ignore[misc]
        _fields_ = (
            ("fd", ctypes.c_int),
            ("events", ctypes.c_short),
            ("revents", ctypes.c_short),
        )

    def new_pollfds(items: list[tuple[int, int]]) -> Any:
        kind: Any = Entry
        return (kind * len(items))(*[(fd, mask, 0) for fd, mask in items])

    return new_pollfds


@functools.cache
def short_calls() -> ShortCalls | NativeCalls | None:
    """Return the functions; None where there is no lock to keep, or no way to keep it."""
    has_lock = getattr(sys, "_is_gil_enabled", lambda: True)()
    if not (has_lock and sys.platform == "linux" and sys.implementation.name == "cpython"):
        return None
    if _native_calls is not None:
        return NativeCalls()
    try:
        return ShortCalls()
    except ImportError:  # a Python that was built without libffi
        return None


class ShortPoll:
    """A ``poll`` that does not wait, of few descriptors. One task at a time uses it.

    Args:
        calls: the functions.
        event_masks: the events to look for, by descriptor.
    """

    __slots__ = ("_count", "_entries", "_items", "_poll")

    def __init__(self, calls: ShortCalls, event_masks: Mapping[int, int]) -> None:
        self._poll = calls.poll
        self._entries = calls.new_pollfds(list(event_masks.items()))
        self._count = calls.count(len(event_masks))
        # To index the array makes a new object for the entry each time.
        self._items = list(zip(event_masks, self._entries, strict=True))

    def poll(self) -> list[tuple[int, int]]:
        """Return the descriptors that are ready, with their events."""
        if self._poll(self._entries, self._count, 0) <= 0:
            return []
        return [(fd, entry.revents) for fd, entry in self._items if entry.revents]


def short_poll(event_masks: Mapping[int, int]) -> ShortPoll | None:
    """Return a :class:`ShortPoll`; None where there is something better."""
    calls = short_calls() if len(event_masks) <= _MOST_DESCRIPTORS else None
    return ShortPoll(calls, event_masks) if isinstance(calls, ShortCalls) else None


class ShortReceiver:
    """Receives what has arrived, without a wait, into a buffer. One task at a time uses it.

    Args:
        calls: the functions of the C library.
        size: the most that it receives at once, in bytes.
    """

    __slots__ = ("_buffer", "_bytes_at", "_new_size", "_recv", "_size")

    def __init__(self, calls: ShortCalls, size: int) -> None:
        self._recv = calls.recv
        self._bytes_at = calls.bytes_at
        self._new_size = calls.size
        self._buffer = calls.new_buffer(size)
        self._size = size

    def recv(self, sock: Any, size: int, flags: int) -> bytes | None:
        """Return up to ``size`` bytes of a socket with ``_as_parameter_``.

        ``b""`` is the end. None means that the ordinary way is to be taken.
        """
        if not may_keep_lock():
            return None
        size = self._new_size(min(size, self._size))
        count = self._recv(sock, self._buffer, size, flags | _DONT_WAIT)
        return None if count < 0 else self._bytes_at(self._buffer, count)


def short_receiver(size: int) -> ShortReceiver | Receiver | None:
    """Return a :class:`ShortReceiver` or a compiled one; None where there are no short calls."""
    calls = short_calls()
    if isinstance(calls, ShortCalls):
        return ShortReceiver(calls, size)
    return None if calls is None else _native_calls.Receiver(size)


def _send(sock: Any, data: Any) -> int:
    """Send ``data`` without a wait; return how many bytes, or -1 for "take the ordinary way".

    Args:
        sock: a socket with ``_as_parameter_``.
        data: bytes, a bytearray, or a view whose bytes lie side by side. Much is not sent in this
            way, and nothing else is.
    """
    calls = short_calls()
    if not isinstance(calls, ShortCalls) or type(data) not in _BYTES:
        return -1
    size = data.nbytes if type(data) is memoryview else len(data)
    if type(data) is memoryview and not data.c_contiguous:
        return -1
    if size > _MOST_BYTES or not may_keep_lock():
        return -1
    if type(data) is not bytes:
        data = bytes(data)
    return calls.send(sock, data, calls.size(size), _DONT_WAIT)


#: Sends without a wait: returns how many bytes, or -1 for "take the ordinary way".
short_send: Callable[[Any, Any], int] = _send if _native_calls is None else _native_calls.quick_send


class NativeSocket(_socket.socket):
    """One of C's sockets, which no library patches, for short calls."""

    _as_parameter_ = property(_socket.socket.fileno)
