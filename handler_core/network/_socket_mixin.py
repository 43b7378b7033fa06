"""Socket classes of any model, extended.

A connection and the ends of a socket pair are what their model's own sockets are, and can do a
little more. The class of such a socket is made of the model's and a mixin, once for each.

A socket of eventlet is the face of one of the standard library, in its attribute ``fd``, and what
eventlet itself does with it, in a ``makefile()`` or for TLS, it does with that. So there it is the
one inside that is extended; the face passes on what it does not know.
"""

from __future__ import annotations

import _socket
import functools
import os
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

__all__ = ["SocketMixin", "mixed_socket", "mixin_of"]


class SocketMixin:
    """The base of the mixins: it tells them when their socket is closed or forgotten."""

    # What every socket class has.
    fileno: Callable[[], int]
    gettimeout: Callable[[], float | None]
    family: int
    type: int
    proto: int

    _plain_class: ClassVar[Any]
    _at_end: weakref.WeakSet[Any] | None = None

    def close(self) -> None:
        """Close this socket."""
        super().close()  # type: ignore[misc]
        if self.fileno() < 0:  # and not while a `makefile()` is open
            self._close_resources()
            self._has_ended()

    def detach(self) -> int:
        """Give up the descriptor, and return it."""
        self._close_resources()
        return super().detach()  # type: ignore[misc, no-any-return]

    def dup(self) -> Any:
        """Return an ordinary socket for the same connection."""
        double = self._plain_class(self.family, self.type, self.proto, fileno=os.dup(self.fileno()))
        double.settimeout(self.gettimeout())
        return double

    def close_at_end(self, resource: Any) -> None:
        """Have ``resource.close()`` called when this socket is closed, detached, or forgotten.

        The socket does not keep the resource alive.
        """
        if self._at_end is None:
            self._at_end = weakref.WeakSet()
        self._at_end.add(resource)

    def _close_resources(self) -> None:
        resources, self._at_end = self._at_end, None
        if resources is not None:
            for resource in list(resources):
                resource.close()

    def _has_ended(self) -> None:
        """Give up what belongs to the socket; called once, or more often."""

    def __del__(self) -> None:
        self._close_resources()
        self._has_ended()
        finalize = getattr(super(), "__del__", None)
        if finalize is not None:
            finalize()  # closes the descriptor, with a ResourceWarning


def mixed_socket(extension: type, socket_class: type, *args: Any, **kw: Any) -> Any:
    """Return a new socket of ``socket_class`` and ``extension``; the rest is for the former."""
    plain = socket_class(*args, **kw)
    inside = getattr(plain, "fd", None)
    if isinstance(inside, _socket.socket):
        return socket_class(_extended(extension, inside))
    return _extended(extension, plain)


def mixin_of(sock: Any) -> Any:
    """Return the extension of a socket, or of the one inside it; None if there is none."""
    if isinstance(sock, SocketMixin):
        return sock
    inside = getattr(sock, "fd", None)
    return inside if isinstance(inside, SocketMixin) else None


def _extended(extension: type, plain: Any) -> Any:
    plain_class: Any = type(plain)
    extended_class = _extended_class(extension, plain_class)
    return extended_class(plain.family, plain.type, plain.proto, fileno=plain.detach())


@functools.cache
def _extended_class(extension: type, socket_class: Any) -> type:
    names = {"__doc__": extension.__doc__, "_plain_class": socket_class}
    return type(extension.__name__, (extension, socket_class), names)
