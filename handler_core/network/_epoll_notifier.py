"""A notifier that the kernel serves: an ``epoll``. Linux has it."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Mapping

from handler_core.network._unpatched_select import unpatched_select

__all__ = ["EpollNotifier"]


class EpollNotifier:
    """One descriptor that is readable while any of several others is ready.

    Args:
        event_masks: the events to watch for, by descriptor.
    """

    __slots__ = ("_bells", "_epoll")

    def __init__(self, event_masks: Mapping[int, int]) -> None:
        # A descriptor that is always readable, once it is there.
        self._bells: list[int] = []
        self._epoll = unpatched_select.epoll()
        for fd, mask in event_masks.items():
            # `epoll` refuses regular files. They were ready before, or never will be.
            with contextlib.suppress(PermissionError):
                self._epoll.register(fd, mask)

    def fileno(self) -> int:
        """Return the descriptor."""
        fd: int = self._epoll.fileno()
        return fd

    def arm(self) -> None:
        """Watch from now on. The kernel always does."""

    def ring(self) -> None:
        """Become readable, for good. Any thread may call this."""
        if not self._bells:
            # The socket has left a free descriptor. If another task has taken that, and no other is
            # free, the waiting task hears of nothing, as it would without this.
            try:
                self._bells.append(os.eventfd(1))
                self._epoll.register(self._bells[0], select.POLLIN)
            except OSError:
                pass
            except (ValueError, IndexError):
                # The task has ended its wait meanwhile, in its own thread, and closed the `epoll`.
                self._close_bells()

    def close(self) -> None:
        """Give the descriptor back. It is called once."""
        self._epoll.close()
        self._close_bells()

    def _close_bells(self) -> None:
        # Two threads may do this at the same time.
        while self._bells:
            with contextlib.suppress(IndexError):
                os.close(self._bells.pop())
