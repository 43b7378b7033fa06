"""Mixins for the socket classes of any model.

A connection and the ends of a socket pair are sockets of their model with a little added. Their
class is made from the model's socket class and a mixin, once for each combination.

A socket of eventlet wraps one of the standard library, in its attribute ``fd``. eventlet itself
works with the wrapped one, for a ``makefile()`` and for TLS. So the mixin is added to the wrapped
socket there, and the wrapper passes on the attributes that it does not have itself.
"""

from __future__ import annotations

import _socket
import functools
import os
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

from handler_core.network._foreign_tls import warn_if_taken

__all__ = [
    "ClosingSocket",
    "SocketMixin",
    "add_mixin",
    "mixed_socket",
    "mixin_of",
    "watch_closed_descriptors",
]


class SocketMixin:
    """The base of all mixins. It acts when its socket is closed, detached or garbage-collected."""

    # What every socket class has.
    fileno: Callable[[], int]
    gettimeout: Callable[[], float | None]
    family: Any
    type: Any
    proto: int

    # The model's socket class.
    _plain_class: ClassVar[Any]
    #: True if a send raises at once, though the kernel may say that it would wait.
    sends_no_more = False

    # What is closed together with this socket.
    _dependents: weakref.WeakSet[Any] | None = None

    def close(self) -> None:
        """Close this socket."""
        fd = self.fileno()
        afterwards = [func(fd) for func in _watching] if fd >= 0 else []
        super().close()  # type: ignore[misc]
        if self.fileno() < 0:  # It stays open as long as a `makefile()` of it is open.
            self._close_dependents()
            self._on_close()
            for func in afterwards:
                if func is not None:
                    func()

    def detach(self) -> int:
        """Return the descriptor, and leave it open without this socket."""
        self._close_dependents()
        descriptor: int = super().detach()  # type: ignore[misc]
        if self._others_wait():
            warn_if_taken(self, self._plain_class)
        return descriptor

    def dup(self) -> Any:
        """Return an ordinary socket of the model for the same connection."""
        socket_class = self._plain_class
        if not issubclass(socket_class, SocketMixin):
            socket_class = _mixed_class(ClosingSocket, socket_class)
        duplicate = socket_class(self.family, self.type, self.proto, fileno=os.dup(self.fileno()))
        duplicate.settimeout(self.gettimeout())
        return duplicate

    def close_with_socket(self, dependent: Any) -> None:
        """Call ``dependent.close()`` when this socket is closed, detached or garbage-collected.

        The socket has a weak reference to it only.
        """
        if self._dependents is None:
            self._dependents = weakref.WeakSet()
        self._dependents.add(dependent)
        if self.fileno() < 0:  # another thread has closed it meanwhile
            dependent.close()

    def _others_wait(self) -> bool:
        """Return True if other tasks would wait while something blocks this thread."""
        return True

    def _close_dependents(self) -> None:
        dependents, self._dependents = self._dependents, None
        if dependents is not None:
            for dependent in list(dependents):
                dependent.close()

    def resume_writers(self) -> None:
        """Have each ``select`` that waits until this socket is writable look at it again.

        Call it when :attr:`sends_no_more` has become true.
        """
        fd = self.fileno()
        for dependent in list(self._dependents or ()):
            dependent.resume_writer(fd)

    def _on_close(self) -> None:
        """Release what belongs to the socket. May be called more than once."""

    def __del__(self) -> None:
        self._close_dependents()
        self._on_close()
        finalize = getattr(super(), "__del__", None)
        if finalize is not None:
            finalize()  # closes the descriptor, with a ResourceWarning


class ClosingSocket(SocketMixin):
    """A socket that resumes who waits for it when it is closed. So do those that it accepts."""

    def accept(self) -> tuple[Any, Any]:
        """Wait for a connection; return a socket for it, and the address of the other end."""
        sock, address = super().accept()  # type: ignore[misc]
        return (sock if mixin_of(sock) else _replaced(ClosingSocket, sock)), address


# Called with each descriptor that the `close` of a socket with a mixin is about to close.
_watching: list[Callable[[int], Callable[[], object] | None]] = []


def watch_closed_descriptors(func: Callable[[int], Callable[[], object] | None]) -> None:
    """Have ``func(fd)`` called before each socket with a mixin that a program closes.

    What it returns, unless that is None, is called when the descriptor is closed. The thread that
    closes it calls both. A model uses this whose library leaves those who wait for a closed
    descriptor waiting for ever. Afterwards another thread may have a new file of the same number,
    and who waits for that one is none of them.
    """
    _watching.append(func)


def mixed_socket(mixin: type, socket_class: type, *args: Any, **kw: Any) -> Any:
    """Return a new socket of ``socket_class`` with ``mixin``. Other arguments are for the class."""
    plain = socket_class(*args, **kw)
    wrapped = getattr(plain, "fd", None)
    if isinstance(wrapped, _socket.socket):
        return socket_class(_replaced(mixin, wrapped))
    return _replaced(mixin, plain)


def add_mixin(mixin: type, sock: Any) -> None:
    """Add a mixin without state to a socket that cannot be made anew, as one of TLS.

    A socket that has a mixin keeps that one.
    """
    if mixin_of(sock) is None:
        plain_class: Any = type(sock)
        sock.__class__ = _mixed_class(mixin, plain_class)


def mixin_of(sock: Any) -> Any:
    """Return the socket, or the one that it wraps, if that has a mixin; otherwise None."""
    if isinstance(sock, SocketMixin):
        return sock
    wrapped = getattr(sock, "fd", None)
    return wrapped if isinstance(wrapped, SocketMixin) else None


def _replaced(mixin: type, plain: Any) -> Any:
    """Return a socket with the mixin for the descriptor of a plain one, which is left without."""
    plain_class: Any = type(plain)
    mixed_class = _mixed_class(mixin, plain_class)
    return mixed_class(plain.family, plain.type, plain.proto, fileno=plain.detach())


@functools.cache
def _mixed_class(mixin: type, socket_class: Any) -> type:
    names = {"__doc__": mixin.__doc__, "_plain_class": socket_class}
    if mixin is not ClosingSocket and not issubclass(socket_class, SocketMixin):
        # So connections and the ends of a pair are of the class that `Handler.socket` returns.
        socket_class = _mixed_class(ClosingSocket, socket_class)
    return type(mixin.__name__, (mixin, socket_class), names)
