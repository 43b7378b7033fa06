"""The module ``socket`` for greenlets of an event loop.

Its sockets are those of the standard library, and non-blocking underneath. An operation is tried
first. If it cannot be done yet, the greenlet parks until it can, and the loop goes on. In a thread
that runs no loop, the thread blocks. Any name that is not defined here is the standard library's.
"""

from __future__ import annotations

import errno
import math
import operator
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from handler_core.network import SocketMixin
from handler_core_greenlet import _look_ups
from handler_core_greenlet._find_hub import find_hub
from handler_core_greenlet._native import unpatched
from handler_core_greenlet._sleep_and_select import now, select, sleep

if TYPE_CHECKING:
    import socket as _native
else:
    _native = unpatched("socket")

#: What the module ``socket`` exports.
__all__ = _native.__all__

# The longest timeout of a socket, in seconds: as many milliseconds as a C int can count.
_LONGEST_TIMEOUT = 2_147_483.647

getaddrinfo = _look_ups.getaddrinfo
getfqdn = _look_ups.getfqdn
gethostbyaddr = _look_ups.gethostbyaddr
gethostbyname = _look_ups.gethostbyname
gethostbyname_ex = _look_ups.gethostbyname_ex
getnameinfo = _look_ups.getnameinfo

T = TypeVar("T")

_DONT_WAIT = getattr(_native, "MSG_DONTWAIT", 0)

# Seconds between two attempts to connect to a Unix socket whose queue is full.
_PAUSE = 0.01


def __getattr__(name: str) -> Any:
    return getattr(_native, name)


def __dir__() -> list[str]:
    return sorted({*dir(_native), *globals()})


class socket(SocketMixin, _native.socket):
    """``socket.socket``, whose operations let the loop run while they wait."""

    def __init__(
        self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
    ) -> None:
        super().__init__(family, type, proto, fileno)
        self._timeout = _native.getdefaulttimeout()
        super().setblocking(False)

    def _others_wait(self) -> bool:
        return find_hub() is not None

    # Timeouts. That of the socket underneath is always 0.

    def settimeout(self, value: float | None) -> None:
        """Set the timeout of each operation, in seconds; None waits for ever, 0 not at all."""
        value = _checked_timeout(value)
        self._check_open()
        self._timeout = value

    def gettimeout(self) -> float | None:
        """Return the timeout of each operation, in seconds."""
        return self._timeout

    @property
    def timeout(self) -> float | None:
        """The timeout of each operation, in seconds."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """Let operations wait for ever if ``flag`` is true; else let them not wait at all."""
        timeout = None if flag else 0.0
        self._check_open()
        self._timeout = timeout

    def getblocking(self) -> bool:
        """Return True if operations wait."""
        return self._timeout != 0

    def _check_open(self) -> None:
        if self.fileno() < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    def until_done(
        self, operation: Callable[..., T], *args: Any, writing: bool, flags: int = 0
    ) -> T:
        """Call ``operation(*args)`` until it need not wait; return what it returns.

        Raises:
            TimeoutError: the socket's timeout was over.
            BlockingIOError: the timeout is 0.
        """
        deadline = None
        while True:
            try:
                return operation(*args)
            except self._must_wait as error:
                if self._timeout == 0 or flags & _DONT_WAIT:
                    raise
                writing = self._for_writing(error, writing)
            if self._timeout is not None:
                deadline = now() + self._timeout if deadline is None else deadline
            self._wait(writing, deadline)

    #: The exceptions by which an operation says that it must wait.
    _must_wait: tuple[type[OSError], ...] = (BlockingIOError,)

    def _for_writing(self, error: OSError, writing: bool) -> bool:
        """Return True if the operation that has raised ``error`` must wait until it can write.

        Args:
            error: one of ``_must_wait``.
            writing: whether the operation is one that writes.
        """
        return writing

    def _wait(self, writing: bool, deadline: float | None) -> None:
        remaining = None if deadline is None else max(0, deadline - now())
        ready = select([], [self], [], remaining) if writing else select([self], [], [], remaining)
        if not any(ready):
            raise TimeoutError("timed out")

    # Operations.

    def accept(self) -> tuple[Any, Any]:
        """Wait for a connection; return a socket for it, and the address of the other end."""
        fd, address = self.until_done(super()._accept, writing=False)  # type: ignore[misc]
        return socket(self.family, self.type, self.proto, fileno=fd), address

    def connect(self, address: Any) -> None:
        """Connect."""
        error = self._connect(address)
        if error:
            raise OSError(error, os.strerror(error))

    def connect_ex(self, address: Any) -> int:
        """Connect; return the number of the error, or 0."""
        try:
            return self._connect(address)
        except TimeoutError:
            return errno.EAGAIN

    def _connect(self, address: Any) -> int:
        timeout = self._timeout
        deadline = None if timeout is None else now() + timeout
        address = _look_ups.without_name(address, self.family)
        error = super().connect_ex(address)
        while error == errno.EAGAIN and timeout != 0 and self.family == _native.AF_UNIX:
            # The queue of the server is full. The kernel tells nobody when there is room again.
            if deadline is not None and now() >= deadline:
                raise TimeoutError("timed out")
            sleep(_PAUSE if deadline is None else min(_PAUSE, max(0, deadline - now())))
            error = super().connect_ex(address)
        if error not in (errno.EINPROGRESS, errno.EALREADY) or timeout == 0:
            return error
        self._wait(True, deadline)
        return self.getsockopt(_native.SOL_SOCKET, _native.SO_ERROR)

    def bind(self, address: Any) -> None:
        """Bind to a local address."""
        super().bind(_look_ups.without_name(address, self.family))

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive up to ``size`` bytes."""
        return self.until_done(super().recv, size, flags, writing=False, flags=flags)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receive into ``buffer``."""
        return self.until_done(super().recv_into, buffer, nbytes, flags, writing=False, flags=flags)

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Any]:
        """Receive, and say from whom."""
        return self.until_done(super().recvfrom, size, flags, writing=False, flags=flags)

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        """Receive into ``buffer``, and say from whom."""
        return self.until_done(
            super().recvfrom_into, buffer, nbytes, flags, writing=False, flags=flags
        )

    def recvmsg(self, size: int, ancillary: int = 0, flags: int = 0) -> Any:
        """Receive, with ancillary data."""
        return self.until_done(super().recvmsg, size, ancillary, flags, writing=False, flags=flags)

    def recvmsg_into(self, buffers: Any, ancillary: int = 0, flags: int = 0) -> Any:
        """Receive into buffers, with ancillary data."""
        return self.until_done(
            super().recvmsg_into, buffers, ancillary, flags, writing=False, flags=flags
        )

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of ``data``; return how many bytes."""
        return self.until_done(super().send, data, flags, writing=True, flags=flags)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of ``data``, within one timeout."""
        with memoryview(data).cast("B") as view:
            deadline = None if self._timeout is None else now() + self._timeout
            sent = 0
            if not view:
                self._check_open()
            while sent < len(view):
                try:
                    sent += super().send(view[sent:], flags)
                except BlockingIOError:
                    if self._timeout == 0 or flags & _DONT_WAIT:
                        raise
                    self._wait(True, deadline)

    def sendto(self, data: Any, *args: Any) -> int:
        """Send to an address."""
        if args:
            args = *args[:-1], _look_ups.without_name(args[-1], self.family)
        flags = args[0] if len(args) > 1 else 0
        return self.until_done(super().sendto, data, *args, writing=True, flags=flags)

    def sendmsg(self, buffers: Any, *args: Any) -> int:
        """Send buffers, with ancillary data."""
        if len(args) > 2:
            args = *args[:2], _look_ups.without_name(args[2], self.family), *args[3:]
        flags = args[1] if len(args) > 1 else 0
        return self.until_done(super().sendmsg, buffers, *args, writing=True, flags=flags)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file, by ``send``."""
        return self._sendfile_use_send(file, offset, count)  # type: ignore[attr-defined, no-any-return]


socket._plain_class = socket


def socketpair(
    family: int | None = None, type: int = _native.SOCK_STREAM, proto: int = 0
) -> tuple[socket, socket]:
    """Return two connected sockets."""
    pair = _native.socketpair(family, type, proto)
    first, second = (socket(end.family, end.type, end.proto, fileno=end.detach()) for end in pair)
    return first, second


def fromfd(fd: int, family: int, type: int, proto: int = 0) -> socket:
    """Return a socket for a duplicate of a descriptor."""
    return socket(family, type, proto, fileno=os.dup(fd))


def create_server(address: Any, **options: Any) -> socket:
    """Return a socket that listens; see ``socket.create_server`` for the options."""
    family = options.get("family", _native.AF_INET)
    server = _native.create_server(_look_ups.without_name(address, family), **options)
    return socket(server.family, server.type, server.proto, fileno=server.detach())


def create_connection(
    address: Any,
    timeout: Any = _native._GLOBAL_DEFAULT_TIMEOUT,  # type: ignore[attr-defined]
    source_address: Any = None,
    *,
    all_errors: bool = False,
) -> socket:
    """Connect to the first address of a name that answers.

    Raises:
        OSError: none has answered. It is the error of the last one.
        ExceptionGroup: none has answered, and ``all_errors`` is true. It has the errors of all.
    """
    host, port = address
    errors: list[OSError] = []
    for family, kind, proto, _, sockaddr in getaddrinfo(host, port, 0, _native.SOCK_STREAM):
        sock = None
        try:
            sock = socket(family, kind, proto)
            if timeout is not _native._GLOBAL_DEFAULT_TIMEOUT:  # type: ignore[attr-defined]
                sock.settimeout(timeout)
            if source_address:
                sock.bind(source_address)
            sock.connect(sockaddr)
        except OSError as error:
            if sock is not None:
                sock.close()
            errors.append(error)
        except BaseException:
            if sock is not None:
                sock.close()
            raise
        else:
            errors.clear()  # they refer to this frame, and it refers to them
            return sock
    try:
        if all_errors and errors:
            raise ExceptionGroup("create_connection failed", errors)
        raise errors[-1] if errors else OSError(f"{host!r} has no address")
    finally:
        errors.clear()


def _checked_timeout(value: Any) -> float | None:
    """Return a timeout in seconds, as the standard library takes it.

    Raises:
        TypeError: it is no number.
        ValueError: it is negative, or not a number (NaN).
        OverflowError: it is too large.
    """
    if value is None:
        return None
    seconds = float(value if isinstance(value, float) else operator.index(value))
    if math.isnan(seconds):
        raise ValueError("the timeout is not a number (NaN)")
    if seconds < 0:
        raise ValueError("Timeout value out of range")
    if seconds > _LONGEST_TIMEOUT:
        raise OverflowError(f"a timeout of {seconds} seconds is too large")
    return seconds
