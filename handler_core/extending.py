"""Socket classes of any model, extended.

A connection and the ends of a socket pair are what their model's own sockets are, and can do a
little more. The class of such a socket is made of the model's and a mixin, once for each.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["Extension", "extended_socket"]


class Extension:
    """The base of the mixins: it tells them when their socket is closed or forgotten."""

    # What every socket class has.
    fileno: Callable[[], int]
    family: int
    type: int
    proto: int

    _at_end: weakref.WeakSet[Any] | None = None

    def close(self) -> None:
        """Close this socket."""
        self._close_socket()
        if self.fileno() < 0:
            self._has_ended()  # and not while a `makefile()` is open

    def detach(self) -> int:
        """Give up the descriptor, and return it."""
        self._has_ended()
        return super().detach()  # type: ignore[misc, no-any-return]

    def close_at_end(self, resource: Any) -> None:
        """Have ``resource.close()`` called when this socket is closed, detached, or forgotten.

        The socket does not keep the resource alive.
        """
        if self._at_end is None:
            self._at_end = weakref.WeakSet()
        self._at_end.add(resource)

    def _has_ended(self) -> None:
        """Give up what belongs to the socket; called once, or more often."""
        resources, self._at_end = self._at_end, None
        if resources is not None:
            for resource in list(resources):
                resource.close()

    def _close_socket(self) -> None:
        super().close()  # type: ignore[misc]

    def __del__(self) -> None:
        self._has_ended()
        finalize = getattr(super(), "__del__", None)
        if finalize is not None:
            finalize()  # closes the descriptor, with a ResourceWarning


def extended_socket(extension: type, socket_class: type, *args: Any, **kw: Any) -> Any:
    """Return a new socket of ``socket_class`` and ``extension``; the rest is for the former."""
    sock = _extended_class(extension, socket_class)(*args, **kw)
    # A socket of eventlet keeps its `close` in the object, where it would hide ours.
    if "close" in vars(sock):
        sock._close_socket = vars(sock).pop("close")
    return sock


@functools.cache
def _extended_class(extension: type, socket_class: type) -> type:
    return type(extension.__name__, (extension, socket_class), {"__doc__": extension.__doc__})
