"""What happens to a greenlet whose socket another one closes, on a hub like eventlet's.

The kernel forgets a descriptor that is closed, so the hub never reports it, and who waits for it
would wait for ever. The hubs of gevent and of asyncio need nothing here: gevent's sockets resume
their greenlets themselves, and the bridge waits by ``select`` alone.

The number of the descriptor may be used again at once. So the hub must have no listener for it by
then. Where it has one, eventlet raises an ``EOFError`` in the greenlet that waits.
"""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable
from typing import Any

__all__ = ["resume_listeners"]


def resume_listeners(
    hub: Any, fd: int, call: Callable[[Callable[[], object]], object]
) -> Callable[[], None] | None:
    """Return a function that resumes the greenlets which wait for a descriptor, with ``EBADF``.

    It is for those that wait now, before the descriptor is closed, and it is called afterwards.
    From any thread.

    Args:
        hub: eventlet's own hub of a thread, or one like it, with ``listeners``.
        fd: the descriptor.
        call: has the hub call a function. It is safe in the thread that closes the descriptor.

    Returns:
        None if no greenlet of the hub waits for it.
    """
    waits = [
        (listener, frame)
        for kind in (hub.READ, hub.WRITE)
        for listener in _listeners(hub, kind, fd)
        if (frame := listener.greenlet.gr_frame) is not None
    ]
    return functools.partial(_resume_all, hub, fd, call, waits) if waits else None


def _resume_all(
    hub: Any, fd: int, call: Callable[[Callable[[], object]], object], waits: list[tuple[Any, Any]]
) -> None:
    listeners = [listener for listener, _ in waits]
    for listener in listeners:
        listener.spent = True  # so eventlet does not remove it when its wait ends
    for kind in hub.READ, hub.WRITE:
        if hub.listeners[kind].get(fd) in listeners:  # otherwise it is one for the next file
            del hub.listeners[kind][fd]
            hub.secondaries[kind].pop(fd, None)
    for listener, frame in waits:
        call(functools.partial(_resume, listener, frame))


def _resume(listener: Any, frame: Any) -> None:
    if listener.greenlet.gr_frame is frame:  # otherwise it waits there no more
        listener.tb(OSError(errno.EBADF, os.strerror(errno.EBADF)))


def _listeners(hub: Any, kind: str, fd: int) -> list[Any]:
    first = hub.listeners[kind].get(fd)
    return [] if first is None else [first, *hub.secondaries[kind].get(fd, ())]
