"""The arguments of ``select``: objects become descriptors, and the timeout is checked.

A caller of ``select`` names *objects*: sockets, files, or bare descriptors. The functions here
return their descriptors, and raise the errors that ``select.select`` raises.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias

__all__ = [
    "FileObject",
    "SelectLists",
    "as_list",
    "checked_timeout",
    "fileobj_to_fd",
    "fileobjs_to_fds",
]


class _HasFileno(Protocol):
    def fileno(self) -> int: ...


#: A descriptor, or an object that has one.
FileObject: TypeAlias = "int | _HasFileno"

#: Three lists of objects: for reading, for writing, and for exceptional conditions.
SelectLists: TypeAlias = tuple[list[Any], list[Any], list[Any]]


def fileobj_to_fd(fileobj: FileObject) -> int:
    """Return the descriptor of a socket or file. A descriptor is returned as it is.

    Raises:
        TypeError: it is no integer, and has no ``fileno()`` that returns one.
        ValueError: the descriptor is negative, as that of a closed socket.
    """
    if isinstance(fileobj, int):
        fd = int(fileobj)
    else:
        try:
            fileno = fileobj.fileno
        except AttributeError:
            raise TypeError(
                f"expected a descriptor or an object with fileno(), not {fileobj!r}"
            ) from None
        fd = fileno()
        if not isinstance(fd, int):
            raise TypeError(f"fileno() of {fileobj!r} returned {fd!r}, which is no integer")
    if fd < 0:
        raise ValueError(
            f"negative descriptor {fd} from {fileobj!r}: it is closed, or was never open"
        )
    return fd


def fileobjs_to_fds(fileobjs: list[Any]) -> tuple[int, ...]:
    """Return the descriptors of several objects, see :func:`fileobj_to_fd`."""
    return tuple(fileobj_to_fd(fileobj) for fileobj in fileobjs)


def as_list(fileobjs: Iterable[Any]) -> list[Any]:
    """Return a new list of the objects.

    Raises:
        TypeError: it is a string, or cannot be iterated over.
    """
    if isinstance(fileobjs, (str, bytes, bytearray)):
        raise TypeError(f"expected a list of sockets, not {fileobjs!r}")
    return list(fileobjs)


def checked_timeout(timeout: float | None) -> float | None:
    """Return the timeout in seconds, or None if the wait has no limit.

    Raises:
        TypeError: it is no number.
        ValueError: it is negative, or not a number (NaN).
    """
    if timeout is None or (type(timeout) is float and 0 <= timeout < math.inf):
        return timeout
    try:
        # `isnan` refuses strings, which `float` would accept.
        is_number = not math.isnan(timeout)
    except TypeError:
        raise TypeError(f"timeout must be a number of seconds or None, not {timeout!r}") from None
    seconds = float(timeout)
    if not is_number or seconds < 0:
        raise ValueError(f"timeout must be non-negative, not {timeout!r}")
    return None if math.isinf(seconds) else seconds
