"""``select`` for any number of descriptors, blocking or cooperative.

All functions here take what ``select.select`` takes, and return what it returns.
:func:`blocking_select` blocks the thread in the kernel's ``poll``. :func:`cooperative_select` lets
other tasks run while it waits: it polls the kernel without a timeout, and if nothing is ready, it
waits in the model's way for one descriptor (see :class:`NestedPoll`).
:func:`poll_select` chooses between them by a ``select`` module.
"""

from __future__ import annotations

import errno
import functools
import select
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import BuiltinFunctionType, ModuleType

from handler_core.network._nested_poll import NestedPoll
from handler_core.network._poll_set import PollSet, poll_for, take_poll_set
from handler_core.network._select_arguments import FileObject, SelectLists, checked_timeout
from handler_core.network._short_calls import quick_select
from handler_core.network._socket_mixin import mixin_of

__all__ = [
    "LONGEST_TURN",
    "SHORTEST_SLEEP",
    "blocking_select",
    "cooperative_select",
    "poll_select",
    "select_or_park",
]

#: How long, in seconds, a loop around a cooperative ``select`` may keep other tasks from running.
LONGEST_TURN = 0.002

#: How long, in seconds, such a loop then sleeps. It is not zero, because gevent's hub runs all
#: callbacks that are due at once before it looks at timers and descriptors.
SHORTEST_SLEEP = 1e-6


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
        timeout: seconds; None waits for ever, 0 does not wait. It never ends early.
        select_module: the module whose way of waiting is used. That of a green model lets other
            tasks run. The result is the same for all.

    Returns:
        Three lists of the objects that are ready, each in the order in which they were given.

    Raises:
        TypeError: something is no socket, or the timeout no number.
        ValueError: a descriptor or the timeout is negative.
        OSError: a descriptor is not open (``EBADF``).
    """
    if type(select_module.select) is BuiltinFunctionType:
        return blocking_select(rlist, wlist, xlist, timeout)
    timeout = checked_timeout(timeout)
    await_readable = functools.partial(_await_readable, select_module)
    if time.monotonic() - getattr(_task_local, "slept_at", 0) <= LONGEST_TURN:
        return select_or_park(rlist, wlist, xlist, timeout, await_readable)
    poll_set, sockets = take_poll_set(rlist, wlist, xlist)  # others may close a socket now
    select_module.select([], [], [], SHORTEST_SLEEP)
    _task_local.slept_at = time.monotonic()
    return cooperative_select(poll_set, sockets, timeout, await_readable)


def blocking_select(
    rlist: Iterable[FileObject],
    wlist: Iterable[FileObject],
    xlist: Iterable[FileObject],
    timeout: float | None,
) -> SelectLists:
    """Select with the kernel's ``poll``. This blocks the thread in a patched process too.

    The arguments and the exceptions are those of :func:`handler_core.poll_select`.
    """
    if quick_select is not None:
        ready = quick_select(rlist, wlist, xlist, timeout, True)
        if ready is not None:
            return ready
    timeout = checked_timeout(timeout)
    poll_set, sockets = take_poll_set(rlist, wlist, xlist)
    ready = poll_set.wait(sockets, timeout)
    poll_set.release()
    return ready


# When each thread last slept in `poll_select`. Where `threading` is green, each task has its own.
_task_local = threading.local()


def _await_readable(select_module: ModuleType, nested: NestedPoll, timeout: float | None) -> None:
    if hasattr(select_module, "poll"):
        poll = select_module.poll()
        poll.register(nested.fileno(), select.POLLIN)
        poll_for(poll.poll, timeout)
    else:
        select_module.select([nested.fileno()], [], [], timeout)


def select_or_park(
    rlist: Iterable[FileObject],
    wlist: Iterable[FileObject],
    xlist: Iterable[FileObject],
    timeout: float | None,
    await_readable: Callable[[NestedPoll, float | None], object],
    clock: Callable[[], float] = time.monotonic,
) -> SelectLists:
    """Do what :func:`cooperative_select` does, for the caller's own lists."""
    if quick_select is not None:
        ready = quick_select(rlist, wlist, xlist, timeout, False)
        if ready is not None:
            return ready
    poll_set, sockets = take_poll_set(rlist, wlist, xlist)
    return cooperative_select(poll_set, sockets, timeout, await_readable, clock)


def _sends_no_more(sock: FileObject) -> bool:
    mixin = mixin_of(sock)
    return mixin is not None and mixin.sends_no_more


def cooperative_select(
    poll_set: PollSet,
    sockets: SelectLists,
    timeout: float | None,
    await_readable: Callable[[NestedPoll, float | None], object],
    clock: Callable[[], float] = time.monotonic,
) -> SelectLists:
    """Wait for all sockets by waiting for one descriptor, that of a nested poll.

    Args:
        poll_set: the descriptors to wait for, from :func:`take_poll_set`.
        sockets: the caller's sockets, from :func:`take_poll_set`.
        timeout: seconds, or None, from :func:`checked_timeout`.
        await_readable: waits, while other tasks run, until the nested poll is readable or so
            many seconds are over; None waits for ever. It may return too early.
        clock: the time in seconds, as ``await_readable`` counts it.
    """
    ready = poll_set.poll(sockets, 0)
    if timeout != 0 and not any(ready):
        deadline = None if timeout is None else clock() + timeout
        nested = poll_set.take_nested_poll(sockets)
        try:
            while True:
                over = [sock for sock in sockets[1] if _sends_no_more(sock)]
                if over:
                    ready = [], over, []
                    break
                nested.arm()
                await_readable(nested, None if deadline is None else max(0, deadline - clock()))
                if nested.lost_socket:  # its number may stand for another one by now
                    raise OSError(errno.EBADF, "a socket was closed while select waited for it")
                ready = poll_set.poll(sockets, 0)
                if any(ready) or (deadline is not None and clock() >= deadline):
                    break
        except BaseException:
            nested.discard()
            raise
        finally:
            nested.release()
    poll_set.release()
    return ready
