"""One direction of a socket pair that is used in some unusual way: the bytes lie in the kernel.

A duplicate, another process, or ``recvmsg`` reads what the kernel has. So all bytes go there. On
Linux a socket is full after 278 unread one-byte messages, because each is charged for a whole
kernel buffer. What does not fit goes into a backlog in this process, in order, and moves into the
kernel's buffer as the other end reads. One rule keeps ``select`` on the reader truthful: while
there is a backlog, the kernel's buffer is not empty, or its writer is closed. In both cases the
reader is readable.

The lock guards the backlog, and a send without a backlog does not take it.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handler_core.execution._interfaces import LockLike

__all__ = ["StreamDirection"]

_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)

# How long, in seconds, a sender takes a full kernel buffer for still full.
_RETRY_INTERVAL = 0.001


class StreamDirection:
    """A sender into the kernel's buffer, and the backlog behind it.

    Args:
        sender: a native socket for the end that sends.
        new_lock: makes the lock.
    """

    def __init__(self, sender: Any, new_lock: Callable[[], LockLike]) -> None:
        self._sender = sender
        self._lock = new_lock()
        #: What the kernel has not taken yet.
        self.backlog = bytearray()
        # When the backlog was last offered to the kernel, by `time.monotonic`.
        self._last_flush = 0.0

    def send(self, data: Any) -> int:
        """Send ``data`` to the kernel, and add what it does not take to the backlog."""
        view = memoryview(data).cast("B")
        sent = 0 if self.backlog else self._send_now(view)
        if sent < len(view):
            with self._lock:
                is_first = not self.backlog
                self.backlog += view[sent:]
                # The reader may have made room just before this, and then found no backlog to
                # flush. A reader or sender may also have been interrupted before it flushed. So
                # the sender flushes too, but not at each of thousands of sends: a flush costs as
                # much as a send.
                if is_first or time.monotonic() - self._last_flush > _RETRY_INTERVAL:
                    self._flush()
        return len(view)

    def flush_backlog(self) -> None:
        """Move the backlog into the room that the reader has just made."""
        if not self.backlog:
            return
        # If the writer has closed or shut down meanwhile, this fails, and nothing is lost: the
        # reader gets the backlog from `take_backlog`.
        with self._lock, contextlib.suppress(OSError):
            self._flush()

    def take_backlog(self, size: int) -> bytes:
        """Return up to ``size`` bytes of the backlog, after the kernel has reported the end."""
        with self._lock:
            data = bytes(self.backlog[:size])
            del self.backlog[:size]
            return data

    def discard_backlog(self) -> None:
        """Discard the backlog, since the reader is closed. The next ``send`` finds that out."""
        with self._lock:
            self.backlog.clear()

    def _flush(self) -> None:
        self._last_flush = time.monotonic()
        while self.backlog and (sent := self._send_now(self.backlog)):
            del self.backlog[:sent]

    def _send_now(self, data: Any) -> int:
        """Return how many bytes the kernel has taken."""
        try:
            sent: int = self._sender.send(data, _DONT_WAIT)
        except BlockingIOError:
            return 0
        return sent
