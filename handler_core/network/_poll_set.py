"""A set of descriptors that ``select`` polls, kept from call to call.

``select.select`` is limited to descriptors below 1,024. A new selector for every call, as in
kazoo, costs more than the wait. ``poll`` has neither fault: it is one object and one system call,
for any descriptor. A :class:`PollSet` adds the translation: a caller names objects in three lists,
and gets its own objects back in the lists in which it named them.

A client selects on the same few descriptors again and again, so poll sets are kept and used again.
This is safe for ``poll``, because a poll object is only a list of numbers. The kernel holds nothing
of it between two calls, so a number may stand for another socket in each. It would not be safe for
``epoll``. The descriptors of the caller's objects are read anew in each call.
"""

from __future__ import annotations

import errno
import os
import select
import time
from collections.abc import Callable, Iterable
from typing import TypeAlias

from handler_core.network._lock_turns import may_keep_lock, note_wait
from handler_core.network._nested_poll import NestedPoll
from handler_core.network._select_arguments import (
    FileObject,
    SelectLists,
    as_list,
    fileobjs_to_fds,
)
from handler_core.network._short_calls import ShortPoll, short_poll
from handler_core.network._socket_mixin import mixin_of
from handler_core.network._unpatched_select import unpatched_select

__all__ = ["PollSet", "poll_for", "take_poll_set"]

# What a poll object's `poll` returns: pairs of a descriptor and its events.
_Polled: TypeAlias = list[tuple[int, int]]

# Descriptors to watch for reading, for writing, and for exceptional conditions.
_Fds: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR
_WRITABLE = select.POLLOUT | select.POLLHUP | select.POLLERR
_BROKEN = select.POLLHUP | select.POLLERR
_NOT_OPEN = select.POLLNVAL

# The longest timeout of one `poll`, in seconds. It counts milliseconds in a C int.
_LONGEST_POLL = 2_000_000


class PollSet:
    """The descriptors of a ``select`` call, registered with a poll object.

    One task at a time uses it. :func:`take_poll_set` returns one for the caller's sockets, and
    :meth:`release` makes it available to the next call for the same descriptors.
    """

    __slots__ = ("_event_masks", "_fds", "_nested_poll", "_poll", "_positions", "_short_poll")

    def __init__(self, fds: _Fds) -> None:
        self._fds = read_fds, write_fds, except_fds = fds
        self._event_masks = masks = dict.fromkeys(read_fds, select.POLLIN)
        for fd in write_fds:
            masks[fd] = masks.get(fd, 0) | select.POLLOUT
        for fd in except_fds:
            masks[fd] = masks.get(fd, 0) | select.POLLPRI
        poll = unpatched_select.poll()
        for fd, mask in masks.items():
            poll.register(fd, mask)
        self._poll: Callable[[float | None], _Polled] = poll.poll
        # The index of each descriptor, if all are in the first list only, and each once.
        self._positions: dict[int, int] | None = None
        if len(read_fds) == len(masks) and not write_fds and not except_fds:
            self._positions = {fd: position for position, fd in enumerate(read_fds)}
        self._nested_poll: NestedPoll | None = None
        self._short_poll: ShortPoll | None = None  # only threads that compete need it

    def poll(self, sockets: SelectLists, timeout: float | None) -> SelectLists:
        """Poll the kernel. This blocks the thread for at most ``timeout`` seconds.

        Returns:
            The sockets that are ready, each in its own list. Hang-up and error count as ready in
            the first and second list. In the third list they count only for a descriptor that is
            in no other list: otherwise its owner would never learn of them.

        Raises:
            OSError: a descriptor is not open.
        """
        if timeout is None or timeout > _LONGEST_POLL:
            polled = poll_for(self._poll, timeout)
        else:
            polled = self._poll(timeout * 1000)
        return self._ready(polled, sockets)

    def wait(self, sockets: SelectLists, timeout: float | None) -> SelectLists:
        """Do what :meth:`poll` does, in a thread that others wait for; see ``_short_calls``."""
        if may_keep_lock():
            short = self._short_poll = self._short_poll or short_poll(self._event_masks)
            if short is not None:
                polled = short.poll()
                if polled or timeout == 0:
                    return self._ready(polled, sockets)
        start = time.monotonic()
        ready = self.poll(sockets, timeout)
        note_wait(time.monotonic() - start)
        return ready

    def _ready(self, polled: _Polled, sockets: SelectLists) -> SelectLists:
        if not polled:
            return [], [], []
        rlist, wlist, xlist = sockets
        positions = self._positions
        if positions is not None:
            readable = []
            # `poll` reports in the order of registration, which is that of the list.
            for fd, events in polled:
                if events & _NOT_OPEN:
                    raise _bad_descriptor(fd)
                readable.append(rlist[positions[fd]])
            return readable, [], []
        for fd, events in polled:
            if events & _NOT_OPEN:
                raise _bad_descriptor(fd)
        events_of = dict(polled).get
        read_fds, write_fds, except_fds = self._fds
        return (
            [obj for fd, obj in zip(read_fds, rlist, strict=True) if events_of(fd, 0) & _READABLE],
            [obj for fd, obj in zip(write_fds, wlist, strict=True) if events_of(fd, 0) & _WRITABLE],
            [
                obj
                for fd, obj in zip(except_fds, xlist, strict=True)
                if (events := events_of(fd, 0)) & select.POLLPRI
                or (events & _BROKEN and self._event_masks[fd] == select.POLLPRI)
            ],
        )

    def take_nested_poll(self, sockets: SelectLists) -> NestedPoll:
        """Return a nested poll for all the descriptors. The caller releases it after use."""
        members = [sock for some in sockets for sock in some]
        nested = self._nested_poll
        if nested is not None and not nested.take(members):
            nested.close()
            nested = self._nested_poll = None
        if nested is None:
            nested = NestedPoll(members, self._event_masks)
            mixins = [mixin_of(sock) for sock in members]
            for mixin in mixins:
                if mixin is not None:
                    mixin.close_with_socket(nested)
            if None not in mixins:
                self._nested_poll = nested
        return nested

    def release(self) -> None:
        """Make this available to the next call for the same descriptors."""
        if len(_idle) > _MAX_IDLE:
            _idle.clear()
        _idle[self._fds] = self


def _bad_descriptor(fd: int) -> OSError:
    return OSError(errno.EBADF, f"{os.strerror(errno.EBADF)}: {fd}")


# The poll sets that no call is using. `pop` and assignment are atomic, so no lock is needed.
_idle: dict[_Fds, PollSet] = {}

# When more are idle, all of them are dropped. A client has a handful.
_MAX_IDLE = 64


def take_poll_set(
    rlist: Iterable[FileObject], wlist: Iterable[FileObject], xlist: Iterable[FileObject]
) -> tuple[PollSet, SelectLists]:
    """Return a poll set for a caller's three lists, and copies of the lists.

    They are copied because the caller's lists may change while it waits.

    Raises:
        TypeError: something is no socket.
        ValueError: a descriptor is negative.
    """
    readers = rlist[:] if type(rlist) is list else as_list(rlist)
    writers = wlist[:] if type(wlist) is list else as_list(wlist)
    others = xlist[:] if type(xlist) is list else as_list(xlist)
    sockets = readers, writers, others
    try:
        poll_set = _idle.pop(
            (
                tuple([fileobj.fileno() for fileobj in readers]),
                tuple([fileobj.fileno() for fileobj in writers]) if writers else (),
                tuple([fileobj.fileno() for fileobj in others]) if others else (),
            ),
            None,
        )
    except (AttributeError, TypeError):  # an integer perhaps, or something invalid
        poll_set = None
    # The descriptors of an idle poll set were checked when it was made.
    if poll_set is None:
        poll_set = PollSet(
            (fileobjs_to_fds(readers), fileobjs_to_fds(writers), fileobjs_to_fds(others))
        )
    return poll_set, sockets


def poll_for(poll: Callable[[float | None], _Polled], timeout: float | None) -> _Polled:
    """Call a poll object's ``poll`` with a timeout in seconds, however long that is."""
    if timeout is None:
        return poll(None)
    if timeout <= _LONGEST_POLL:
        return poll(timeout * 1000)
    deadline = time.monotonic() + timeout
    while True:
        remaining = deadline - time.monotonic()
        polled = poll(min(max(remaining, 0), _LONGEST_POLL) * 1000)
        if polled or remaining <= 0:
            return polled
