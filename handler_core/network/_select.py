"""Waiting for descriptors, with the face of ``select.select``.

``select.select`` itself ends at descriptor 1,023, and a new selector for every call, as kazoo has
it, costs more than the wait. ``poll`` has neither fault: one object, one system call, any
descriptor. What this module adds to it is the translation: a caller names *objects*, in three
lists, and gets its own objects back in the lists that it put them in.

A client asks for the same few descriptors again and again, so the poll objects are kept. That is
safe for poll, and would not be for epoll: a poll object is a list of numbers, with which the kernel
has nothing to do between two calls, so it does not matter what a number stood for the last time.
The caller's objects are asked for their numbers each time.

A green ``poll`` or ``select`` lets other tasks run, but knows less than the kernel's: gevent's
reports no out-of-band data and ends at descriptor 1,023, eventlet has no ``poll``, and admits one
reader to a descriptor. So the kernel is asked what is ready, without waiting, and where nothing
is, the model's own way of waiting waits for one descriptor: an ``epoll`` in which all of them are.
That one is kept only for sockets of our own making, which say when they are closed: a number that
stands for another socket by then would never be ready.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import importlib.util
import math
import os
import select
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from types import BuiltinFunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from handler_core.network._socket_mixin import mixin_of

if TYPE_CHECKING:
    import selectors

__all__ = [
    "FileObject",
    "NestedEpoll",
    "PollSet",
    "SelectLists",
    "accept_both_forms",
    "blocking_select",
    "checked_timeout",
    "cooperative_select",
    "fileobj_to_fd",
    "poll_select",
    "selector_select",
    "take_poll_set",
]


class _HasFileno(Protocol):
    def fileno(self) -> int: ...


FileObject: TypeAlias = "int | _HasFileno"
SelectLists: TypeAlias = tuple[list[Any], list[Any], list[Any]]
Sockets: TypeAlias = tuple[list[Any], list[Any], list[Any]]
Polled: TypeAlias = list[tuple[int, int]]

#: For how long, in seconds, a loop around a green ``select`` may keep other tasks from running.
LONGEST_TURN = 0.002

#: For how long, in seconds, it then waits: not at all would not do, since what gevent's hub has to
#: call at once it calls before it looks at timers and descriptors.
SHORTEST_SLEEP = 1e-6

# The longest wait that poll takes, in seconds: it counts milliseconds in a C int.
_LONGEST_POLL = 2_000_000


def _without_patches() -> ModuleType:
    """Return a ``select`` that nobody has patched: a second instance of the C module."""
    spec = importlib.util.find_spec("select")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_kernel: Any = _without_patches()
_HAS_POLL = hasattr(_kernel, "poll")


def fileobj_to_fd(fileobj: FileObject) -> int:
    """Return the descriptor of a socket or file, or the descriptor that it already is.

    Raises:
        TypeError: it is neither an integer nor has a ``fileno()`` that returns one.
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


def checked_timeout(timeout: float | None) -> float | None:
    """Return the timeout in seconds, None for one without an end; raise as ``select`` does."""
    if timeout is None or (type(timeout) is float and 0 <= timeout < math.inf):
        return timeout
    try:
        is_number = not math.isnan(timeout)
    except TypeError:  # `float` alone would take a string
        raise TypeError(f"timeout must be a number of seconds or None, not {timeout!r}") from None
    seconds = float(timeout)
    if not is_number or seconds < 0:
        raise ValueError(f"timeout must be non-negative, not {timeout!r}")
    return None if math.isinf(seconds) else seconds


def _listed(sockets: Iterable[Any]) -> list[Any]:
    if isinstance(sockets, (str, bytes, bytearray)):
        raise TypeError(f"expected a list of sockets, not {sockets!r}")
    return list(sockets)


def _descriptors(sockets: list[Any]) -> tuple[int, ...]:
    return tuple(fileobj_to_fd(fileobj) for fileobj in sockets)


# Descriptors that are watched for reading, for writing, and for exceptional conditions.
_Watched: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR
_WRITABLE = select.POLLOUT | select.POLLHUP | select.POLLERR
_BROKEN = select.POLLHUP | select.POLLERR
_NOT_OPEN = select.POLLNVAL


class PollSet:
    """Descriptors that are selected on, and a poll object that has them.

    It belongs to one task at a time: :func:`take_poll_set` takes one for the caller's sockets,
    :meth:`keep` leaves it to the next who waits for these descriptors.
    """

    __slots__ = ("_masks", "_nested", "_poll", "_positions", "_watched")

    def __init__(self, watched: _Watched) -> None:
        self._watched = reading, writing, other = watched
        self._masks = masks = dict.fromkeys(reading, select.POLLIN)
        for fd in writing:
            masks[fd] = masks.get(fd, 0) | select.POLLOUT
        for fd in other:
            masks[fd] = masks.get(fd, 0) | select.POLLPRI
        poll = _kernel.poll()
        for fd, mask in masks.items():
            poll.register(fd, mask)
        self._poll: Callable[[float | None], Polled] = poll.poll
        # Where each descriptor is, if all are in the first list, and there once.
        self._positions: dict[int, int] | None = None
        if len(reading) == len(masks) and not writing and not other:
            self._positions = {fd: position for position, fd in enumerate(reading)}
        self._nested: NestedEpoll | None = None

    def poll(self, sockets: Sockets, timeout: float | None) -> SelectLists:
        """Ask the kernel, and block the thread for so many seconds at the most.

        Returns:
            Those of the sockets that are ready, in the lists that they are in. Hang-up and error
            count as ready in the first and second list; in the third only for a descriptor that
            is in no other, whose owner would otherwise never hear of it.

        Raises:
            OSError: a descriptor is not open.
        """
        if timeout is None or timeout > _LONGEST_POLL:
            polled = _poll(self._poll, timeout)
        else:
            polled = self._poll(timeout * 1000)
        if not polled:
            return [], [], []
        readers, writers, others = sockets
        positions = self._positions
        if positions is not None:
            readable = []
            # In the order of their registration, which is that of the list.
            for fd, event in polled:
                if event & _NOT_OPEN:
                    raise _not_open(fd)
                readable.append(readers[positions[fd]])
            return readable, [], []
        for fd, event in polled:
            if event & _NOT_OPEN:
                raise _not_open(fd)
        got = dict(polled).get
        reading, writing, other = self._watched
        return (
            [obj for fd, obj in zip(reading, readers, strict=True) if got(fd, 0) & _READABLE],
            [obj for fd, obj in zip(writing, writers, strict=True) if got(fd, 0) & _WRITABLE],
            [
                obj
                for fd, obj in zip(other, others, strict=True)
                if (event := got(fd, 0)) & select.POLLPRI
                or (event & _BROKEN and self._masks[fd] == select.POLLPRI)
            ],
        )

    def nested(self, sockets: Sockets) -> NestedEpoll:
        """Return an ``epoll`` in which all descriptors are, to be released after use."""
        members = [sock for some in sockets for sock in some]
        nested = self._nested
        if nested is not None and not nested.take(members):
            nested.close()
            nested = self._nested = None
        if nested is None:
            nested = NestedEpoll(members, self._masks)
            extensions = [mixin_of(sock) for sock in members]
            if None not in extensions:
                for extension in extensions:
                    extension.close_at_end(nested)
                self._nested = nested
        return nested

    def keep(self) -> None:
        """Leave this to the next who waits for the same descriptors."""
        if len(_kept) > _MOST_KEPT:
            _kept.clear()
        _kept[self._watched] = self


def _not_open(fd: int) -> OSError:
    return OSError(errno.EBADF, f"{os.strerror(errno.EBADF)}: {fd}")


# What nobody is selecting with at the moment. To take out and to put in are atomic.
_kept: dict[_Watched, PollSet] = {}

# So many are kept, and then they are all forgotten: a client has a handful.
_MOST_KEPT = 64


def take_poll_set(
    rlist: Iterable[FileObject], wlist: Iterable[FileObject], xlist: Iterable[FileObject]
) -> tuple[PollSet, Sockets]:
    """Return what is to be asked about a caller's three lists, and copies of them.

    Copies, since the caller's lists may change while it waits.

    Raises:
        TypeError: something is no socket.
        ValueError: a descriptor is negative.
    """
    readers = rlist[:] if type(rlist) is list else _listed(rlist)
    writers = wlist[:] if type(wlist) is list else _listed(wlist)
    others = xlist[:] if type(xlist) is list else _listed(xlist)
    sockets = readers, writers, others
    try:
        interest = _kept.pop(
            (
                tuple([fileobj.fileno() for fileobj in readers]),
                tuple([fileobj.fileno() for fileobj in writers]) if writers else (),
                tuple([fileobj.fileno() for fileobj in others]) if others else (),
            ),
            None,
        )
    except (AttributeError, TypeError):  # an integer, maybe; or nothing of use
        interest = None
    if interest is None:  # whose descriptors would have been checked
        watched = _descriptors(readers), _descriptors(writers), _descriptors(others)
        interest = PollSet(watched)
    return interest, sockets


class Watch(Protocol):
    """What a hub keeps of a descriptor that it watches again and again."""

    def end(self, func: Callable[[], object]) -> None:
        """Watch it no more, and call ``func`` when that is so. From any thread."""


class NestedEpoll:
    """An ``epoll``, and the sockets that are in it. It belongs to one task at a time."""

    __slots__ = ("__weakref__", "_ended", "_epoll", "_sockets", "_taken", "watch")

    def __init__(self, sockets: list[Any], masks: dict[int, int]) -> None:
        self._sockets = [weakref.ref(sock) for sock in sockets if mixin_of(sock) is not None]
        self._taken = True
        self._ended = len(self._sockets) != len(sockets)
        #: Left here by the hub that has waited for it, for the next time.
        self.watch: Watch | None = None
        self._epoll = _kernel.epoll()
        for fd, mask in masks.items():
            # A regular file, which cannot be watched, was ready before, or never will be.
            with contextlib.suppress(PermissionError):
                self._epoll.register(fd, mask)

    def fileno(self) -> int:
        """Return the descriptor, which is readable if one of the sockets is ready."""
        fd: int = self._epoll.fileno()
        return fd

    def take(self, sockets: list[Any]) -> bool:
        """Take it into use; False if it is for other sockets, or one of them has been closed."""
        self._taken = True  # before the look: another thread may close one just now
        self._taken = not self._ended and [ref() for ref in self._sockets] == sockets
        return self._taken

    def release(self) -> None:
        """Put it out of use; it is closed now if a socket has been meanwhile."""
        self._taken = False
        if self._ended:
            self._close()

    def close(self) -> None:
        """Close it, as soon as no hub watches it: it would watch whatever gets the number next."""
        self._ended = True
        if not self._taken:
            self._close()

    def _close(self) -> None:
        watch, self.watch = self.watch, None
        if watch is None:
            self._epoll.close()
        else:
            watch.end(self._epoll.close)

    def __del__(self) -> None:
        if hasattr(self, "_epoll"):  # else there was no descriptor left for it
            self._close()


def poll_select(
    rlist: Sequence[FileObject],
    wlist: Sequence[FileObject],
    xlist: Sequence[FileObject],
    timeout: float | None = None,
    select_module: ModuleType = select,
) -> SelectLists:
    """Wait as ``select.select`` does, for any number and any value of descriptors.

    Args:
        rlist: what to watch for reading.
        wlist: what to watch for writing.
        xlist: what to watch for exceptional conditions (out-of-band data).
        timeout: seconds; None waits for ever, 0 does not wait. Never early.
        select_module: whose way of waiting is used: that of a green model lets other tasks run.
            What is reported is the same. Where there is no ``poll`` (Windows), its ``select``
            does what it can.

    Returns:
        Three lists: the objects that are ready, each in the order in which it was given.

    Raises:
        TypeError: something is no socket, or the timeout no number.
        ValueError: a descriptor or the timeout is negative.
        OSError: a descriptor is not open (``EBADF``).
    """
    timeout = checked_timeout(timeout)
    if type(select_module.select) is BuiltinFunctionType and _HAS_POLL:
        return blocking_select(rlist, wlist, xlist, timeout)
    if not hasattr(_kernel, "epoll"):
        readable, writable, exceptional = select_module.select(rlist, wlist, xlist, timeout)
        return readable, writable, exceptional
    interest, sockets = take_poll_set(rlist, wlist, xlist)
    if time.monotonic() - getattr(_task, "waited_at", 0) > LONGEST_TURN:
        select_module.select([], [], [], SHORTEST_SLEEP)
        _task.waited_at = time.monotonic()
    await_readable = functools.partial(_await_readable, select_module)
    return cooperative_select(interest, sockets, timeout, await_readable)


def blocking_select(
    rlist: Iterable[FileObject],
    wlist: Iterable[FileObject],
    xlist: Iterable[FileObject],
    timeout: float | None,
) -> SelectLists:
    """Select by the kernel's ``poll``, which blocks the thread, whatever has been patched.

    The timeout is one that :func:`checked_timeout` has returned.
    """
    interest, sockets = take_poll_set(rlist, wlist, xlist)
    ready = interest.poll(sockets, timeout)
    interest.keep()
    return ready


# Where `threading` is green, each of its tasks has its own.
_task = threading.local()


def _await_readable(select_module: ModuleType, nested: NestedEpoll, timeout: float | None) -> None:
    if hasattr(select_module, "poll"):
        poll = select_module.poll()
        poll.register(nested.fileno(), select.POLLIN)
        _poll(poll.poll, timeout)
    else:
        select_module.select([nested.fileno()], [], [], timeout)


def cooperative_select(
    interest: PollSet,
    sockets: Sockets,
    timeout: float | None,
    await_readable: Callable[[NestedEpoll, float | None], object],
) -> SelectLists:
    """Wait for all that is of interest by waiting for one descriptor. On Linux.

    Args:
        interest: what the caller waits for, see :func:`take_poll_set`.
        sockets: its sockets.
        timeout: seconds; see :func:`checked_timeout`.
        await_readable: waits until that descriptor is readable, for so many seconds, None for
            ever, while other tasks run. It may return too early.
    """
    ready = interest.poll(sockets, 0)
    if timeout != 0 and not any(ready):
        deadline = None if timeout is None else time.monotonic() + timeout
        nested = interest.nested(sockets)
        try:
            while True:
                await_readable(
                    nested, None if deadline is None else max(0, deadline - time.monotonic())
                )
                ready = interest.poll(sockets, 0)
                if any(ready) or (deadline is not None and time.monotonic() >= deadline):
                    break
        except BaseException:
            nested.close()
            raise
        finally:
            nested.release()
    interest.keep()
    return ready


def _poll(poll: Callable[[float | None], Polled], timeout: float | None) -> Polled:
    """Poll for so many seconds, also where poll itself could not count that far."""
    if timeout is None:
        return poll(None)
    if timeout <= _LONGEST_POLL:
        return poll(timeout * 1000)
    deadline = time.monotonic() + timeout
    while True:
        remaining = deadline - time.monotonic()
        found = poll(min(max(remaining, 0), _LONGEST_POLL) * 1000)
        if found or remaining <= 0:
            return found


_NOT_GIVEN: Any = object()


def accept_both_forms(select: Callable[..., SelectLists]) -> Callable[..., SelectLists]:
    """Give a ``select(self, rlist, wlist, xlist, timeout)`` both of its public forms.

    The full one is that of ``select.select``. The short one, ``select(sockets, timeout)``, waits
    until a socket is readable or in error; its second list says which are writable at that
    moment.
    """

    @functools.wraps(select)
    def both_forms(
        self: Any,
        rlist: Any = _NOT_GIVEN,
        wlist: Any = _NOT_GIVEN,
        xlist: Any = _NOT_GIVEN,
        timeout: Any = _NOT_GIVEN,
        *,
        sockets: Any = _NOT_GIVEN,
    ) -> SelectLists:
        if xlist is not _NOT_GIVEN and wlist is not _NOT_GIVEN and rlist is not _NOT_GIVEN:
            if sockets is _NOT_GIVEN:
                return select(self, rlist, wlist, xlist, None if timeout is _NOT_GIVEN else timeout)
        elif xlist is _NOT_GIVEN and (rlist is _NOT_GIVEN) is not (sockets is _NOT_GIVEN):
            given = [value for value in (wlist, timeout) if value is not _NOT_GIVEN]
            if len(given) == 1 and (given[0] is None or isinstance(given[0], (int, float))):
                watched = sockets if rlist is _NOT_GIVEN else rlist
                if not isinstance(watched, (str, bytes, bytearray)):  # those are refused below
                    watched = list(watched)
                readable, _, exceptional = select(self, watched, (), watched, given[0])
                _, writable, _ = select(self, (), watched, (), 0)
                return readable, writable, exceptional
        raise TypeError(
            "select() takes (rlist, wlist, xlist, timeout=None) or (sockets, timeout), "
            "with the timeout in seconds"
        )

    return both_forms


def selector_select(*args: Any, **kwargs: Any) -> Any:
    """Wait by means of the ``selectors`` module, in one of two forms.

    ``selector_select(rlist, wlist, xlist, timeout=None, selectors_module=selectors)`` is a
    drop-in for ``select.select`` without its limit on descriptors. It is bound by what
    ``selectors`` can report: the third list stays empty, and a regular file, which ``epoll``
    does not watch, raises ``PermissionError``. A handler's ``select`` has neither limit.

    ``selector_select(selector, timeout)`` returns what is ready in a selector of the caller's:
    a list of ``(key, events)``.

    Raises:
        TypeError: something is no socket, or the timeout no number.
        ValueError: a descriptor or the timeout is negative.
        OSError: a descriptor is not open.
    """
    given = args[0] if args else kwargs.get("selector")
    if hasattr(given, "get_map"):
        return _select_ready(*args, **kwargs)
    return _select_lists(*args, **kwargs)


def _select_ready(
    selector: selectors.BaseSelector, timeout: float | None = None
) -> list[tuple[selectors.SelectorKey, int]]:
    return selector.select(checked_timeout(timeout))


def _select_lists(
    rlist: Sequence[FileObject],
    wlist: Sequence[FileObject],
    xlist: Sequence[FileObject],
    timeout: float | None = None,
    selectors_module: Any = None,
) -> SelectLists:
    if selectors_module is None:
        import selectors as selectors_module
    timeout = checked_timeout(timeout)
    readers, writers = _listed(rlist), _listed(wlist)
    reading, writing = _descriptors(readers), _descriptors(writers)
    _descriptors(_listed(xlist))  # for its errors
    wanted: dict[int, int] = {}
    for fd in reading:
        wanted[fd] = selectors_module.EVENT_READ
    for fd in writing:
        wanted[fd] = wanted.get(fd, 0) | selectors_module.EVENT_WRITE
    with selectors_module.DefaultSelector() as selector:
        for fd, mask in wanted.items():
            selector.register(fd, mask)
        events = {key.fd: mask for key, mask in selector.select(timeout)}
    return (
        [
            obj
            for fd, obj in zip(reading, readers, strict=True)
            if events.get(fd, 0) & selectors_module.EVENT_READ
        ],
        [
            obj
            for fd, obj in zip(writing, writers, strict=True)
            if events.get(fd, 0) & selectors_module.EVENT_WRITE
        ],
        [],
    )
