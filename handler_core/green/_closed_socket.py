"""What happens to a greenlet whose socket another one closes, on a hub like eventlet's.

The kernel forgets a descriptor that is closed, so the hub never reports it, and who waits for it
would wait for ever. The hubs of gevent and of asyncio need nothing here: gevent's sockets resume
their greenlets themselves, and the bridge waits by ``select`` alone.
"""

from __future__ import annotations

import errno
import functools
import os
from typing import Any

__all__ = ["resume_listeners"]


def resume_listeners(hub: Any, fd: int) -> None:
    """Resume the greenlets that wait for a descriptor which was just closed, with ``EBADF``.

    Args:
        hub: eventlet's own hub of this thread, or one like it, with ``listeners``.
        fd: the descriptor.
    """
    for kind in hub.READ, hub.WRITE:
        for listener in _listeners(hub, kind, fd):
            hub.schedule_call_global(0, functools.partial(_resume, hub, kind, fd, listener))


def _resume(hub: Any, kind: str, fd: int, listener: Any) -> None:
    if listener in _listeners(hub, kind, fd):  # otherwise it waits no more
        listener.tb(OSError(errno.EBADF, os.strerror(errno.EBADF)))


def _listeners(hub: Any, kind: str, fd: int) -> list[Any]:
    first = hub.listeners[kind].get(fd)
    return [] if first is None else [first, *hub.secondaries[kind].get(fd, ())]
