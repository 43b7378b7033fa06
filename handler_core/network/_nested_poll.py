"""One descriptor that is readable when any of several sockets is ready.

A green ``poll`` or ``select`` lets other tasks run, but reports less than the kernel's. gevent's
reports no out-of-band data and is limited to descriptors below 1,024. eventlet has no ``poll``, and
allows one reader per descriptor. So a cooperative ``select`` waits, in its model's own way, for a
single descriptor: that of a notifier, which watches all the sockets. Where the kernel has one, the
notifier is an ``epoll``. Elsewhere a thread serves it (see ``_thread_notifier``).

A nested poll is kept for the next call only if all its sockets are of handler-core's own classes,
because these close it when they are closed. One that was kept longer would never report a new
socket that gets the number of a closed one.

The kernel forgets a descriptor that is closed, and says nothing to who waits for it. So a socket of
handler-core's own makes the nested poll readable when it is closed meanwhile.
"""

from __future__ import annotations

import select
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from handler_core.network._socket_mixin import mixin_of
from handler_core.network._unpatched_select import unpatched_select

__all__ = ["NestedPoll", "Watch"]


class Notifier(Protocol):
    """One descriptor that is readable when any of several others is ready."""

    def fileno(self) -> int:
        """Return the descriptor."""

    def arm(self) -> None:
        """Watch the others. It is called before each wait."""

    def ring(self) -> None:
        """Make the descriptor readable. Any thread may call this."""

    def close(self) -> None:
        """Give the descriptor back. It is called once."""


#: Returns the notifier of this platform for descriptors and their events.
new_notifier: Callable[[Mapping[int, int]], Notifier]
if hasattr(unpatched_select, "epoll"):
    from handler_core.network._epoll_notifier import EpollNotifier as new_notifier
else:
    from handler_core.network._thread_notifier import ThreadNotifier as new_notifier


class Watch(Protocol):
    """A hub's registration of a descriptor that it watches again and again."""

    def end(self, func: Callable[[], object]) -> None:
        """Stop watching, and then call ``func``. Safe from any thread."""


class NestedPoll:
    """A notifier and the sockets that it watches.

    One task at a time uses it. It is kept open between two uses if all sockets have a
    :class:`~handler_core.network.SocketMixin`.

    Args:
        sockets: the sockets.
        event_masks: the events to watch for, by descriptor.
    """

    __slots__ = (
        "__weakref__",
        "_close_on_release",
        "_event_masks",
        "_in_use",
        "_is_open",
        "_notifier",
        "_sockets",
        "lost_socket",
        "watch",
    )

    def __init__(self, sockets: list[Any], event_masks: dict[int, int]) -> None:
        self._sockets = [weakref.ref(sock) for sock in sockets if mixin_of(sock) is not None]
        self._event_masks = event_masks
        self._in_use = True
        self._close_on_release = len(self._sockets) != len(sockets)
        # Who takes the one item out closes the notifier. The waiting task may end its wait just as
        # another thread closes a socket, and only one of the two may do it.
        self._is_open = [True]
        #: True once one of its sockets was closed.
        self.lost_socket = False
        #: The watch of the hub that waited for it last. The hub stores it for the next time.
        self.watch: Watch | None = None
        self._notifier = new_notifier(event_masks)

    def fileno(self) -> int:
        """Return the descriptor. It is readable if one of the sockets is ready."""
        return self._notifier.fileno()

    def arm(self) -> None:
        """Watch the sockets from now on. The task calls it before each wait."""
        self._notifier.arm()

    def take(self, sockets: list[Any]) -> bool:
        """Begin to use it. Return False if it has other sockets, or one of them was closed."""
        self._in_use = True  # before the check, since another thread may close a socket now
        self._in_use = not self._close_on_release and [ref() for ref in self._sockets] == sockets
        return self._in_use

    def release(self) -> None:
        """End the use, and close it if a socket was closed meanwhile."""
        self._in_use = False
        if self._close_on_release:
            self._close_notifier()

    def close(self) -> None:
        """Close it as soon as it is not in use. Any thread may call this.

        A socket that was closed calls it. Then one that is in use becomes readable. A socket that
        is about to be detached calls it too. Its descriptor stays open, and who waits for it goes
        on waiting.
        """
        self._close_on_release = True
        if not self._in_use:
            self._close_notifier()
            return
        sockets = [ref() for ref in self._sockets]
        self.lost_socket = any(sock is None or sock.fileno() < 0 for sock in sockets)
        if self.lost_socket:
            self._notifier.ring()

    def resume_writer(self, fd: int) -> None:
        """Become readable if who uses it waits until ``fd`` is writable. From any thread."""
        if self._in_use and self._event_masks.get(fd, 0) & select.POLLOUT:
            self._close_on_release = True
            self._notifier.ring()

    def discard(self) -> None:
        """Close it at the end of its use."""
        self._close_on_release = True

    def _close_notifier(self) -> None:
        """Close the notifier after its watch has ended.

        A hub that still watched the number would watch whatever gets it next.
        """
        try:
            self._is_open.pop()
        except IndexError:
            return
        watch, self.watch = self.watch, None
        if watch is None:
            self._notifier.close()
        else:
            watch.end(self._notifier.close)

    def __del__(self) -> None:
        if hasattr(self, "_notifier"):  # it is missing if no descriptor was left for it
            self._close_notifier()
