"""One direction of a socket pair: a queue in this process, and a token in the kernel.

While the queue has something, one byte lies in the kernel: the token. So every kind of ``select``
on the reader tells the truth. The sender of the first bytes puts the token there, and the reader of
the last ones takes it away. All sends and receives between these two need no system call.

**There is no lock.** A signal handler or a finalizer may interrupt a sender or a reader at any
point, and send or receive here itself. It may also wait for another thread that does, such as the
loop of a client. So each step is one that the interpreter cannot interrupt, and the order of the
steps is right for any number of threads:

- Who takes the one entry out of ``_may_announce`` puts the token into the kernel. A sender has
  appended to the queue before.
- A reader puts the entry back after it has taken the token away. Then it looks into the queue once
  more, for the bytes of a sender that came too early to find the entry.
- An exception that a signal handler raises in between may leave the token missing, or leave two of
  them. ``_repair`` adds one if in doubt, and a reader takes away all that it finds.
"""

from __future__ import annotations

import socket
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from handler_core.network._pair_stream import StreamDirection
from handler_core.network._unpatched_select import unpatched_select

if TYPE_CHECKING:
    from handler_core.execution._interfaces import LockLike

__all__ = ["Direction"]

_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)

_TOKEN = b"\0"

# How many tokens a reader takes away at once. There is rarely more than one.
_TOKENS = 16

# How long, in milliseconds, another thread may take to put the token into the kernel. It takes
# longer only if a signal handler has interrupted it, and then this may be that handler.
_LONGEST_HAND_OVER = 1000


class Direction:
    """One direction of a pair.

    Args:
        sender: a native socket for the end that sends.
        new_lock: makes the lock of a :class:`StreamDirection`.
    """

    def __init__(self, sender: Any, new_lock: Callable[[], LockLike]) -> None:
        #: It never waits. For the other direction this is a native socket of the reader.
        self.sender = sender
        self._new_lock = new_lock
        # What was sent and has not been received. A view is the rest of what was sent at once.
        self._queue: deque[bytes | memoryview] = deque()
        # It has an entry or none. To take one out of a dictionary needs no exception if it is gone.
        self._may_announce = {_TOKEN: True}
        # True if a reader knows that the token is in the kernel.
        self._is_announced = False
        #: What has taken the place of queue and token, if the pair is used in some unusual way.
        self.stream: StreamDirection | None = None

    # The sender.

    def send(self, data: Any) -> int:
        """Send all of ``data``; return how many bytes that is.

        Raises:
            OSError: the reader is closed, or the sender.
        """
        if self.stream is not None:
            return self.stream.send(data)
        chunk = data if type(data) is bytes else bytes(memoryview(data))
        if chunk:
            self._queue.append(chunk)
            self._announce()
            if self.stream is not None:  # another thread has made it one meanwhile
                left = self._take_all()
                if left:  # the reader may have received it, and then closed the pair
                    self.stream.send(left)
        return len(chunk)

    def _announce(self) -> None:
        try:
            if self._may_announce.pop(_TOKEN, False):
                self._put_token()
        except BaseException:
            self._may_announce[_TOKEN] = True
            raise

    def _put_token(self) -> None:
        try:  # noqa: SIM105 - `contextlib.suppress` would slow down each hand-over
            self.sender.send(_TOKEN, _DONT_WAIT)
        except BlockingIOError:  # something else fills the kernel's buffer
            pass

    def close(self) -> None:
        """Close the sender. The reader gets what is in the queue, and then the end."""
        self.sender.close()

    # The reader.

    def receive(self, size: int, receiver: Any) -> bytes | None:
        """Return up to ``size`` bytes; None if there are none, and ``b""`` at the end.

        Args:
            size: more than 0.
            receiver: a native socket of the reader.

        Raises:
            OSError: the reader is closed.
        """
        data = b""
        try:
            while not data:
                if self._is_announced:
                    data = self._take(size)
                    if not self._queue:
                        self._is_announced = False
                        if self._take_token(receiver):
                            self._leave_token()
                else:
                    found = self._take_token(receiver)
                    if not found:
                        return None if found is None else self._take(size)
                    data = self._take(size)
                    self._leave_token()
        except BaseException:
            self._repair(receiver)
            raise
        return data

    def _take(self, size: int) -> bytes:
        queue = self._queue
        parts = []
        try:
            chunk = queue.popleft()
            if len(chunk) == size:
                return bytes(chunk)
            while True:
                if len(chunk) > size:
                    view = memoryview(chunk)
                    queue.appendleft(view[size:])
                    chunk = view[:size]
                parts.append(chunk)
                size -= len(chunk)
                if not size:
                    break
                chunk = queue.popleft()
        except IndexError:
            pass
        return b"".join(parts)

    def _take_all(self) -> bytes:
        return self._take(sys.maxsize)

    def _take_token(self, receiver: Any) -> bool | None:
        """Take the token away. Return None if there is none, and False at the end."""
        try:
            return bool(receiver.recv(_TOKENS, _DONT_WAIT))
        except BlockingIOError:
            return None

    def _leave_token(self) -> None:
        """Put the token back if the queue has something. Whoever has taken it calls this."""
        if self._queue:
            try:
                self._put_token()
            except OSError:  # the writer is closed: the reader is readable without a token
                return
            self._is_announced = True
            return
        self._may_announce[_TOKEN] = True
        self._queue.extend(())  # it holds the deque's lock, so what was appended before is seen
        if self._queue:
            self._announce()

    def _repair(self, receiver: Any) -> None:
        """Have a token in the kernel if there should be one, after an interrupt."""
        self._is_announced = False
        try:
            receiver.recv(1, socket.MSG_PEEK | _DONT_WAIT)
        except BlockingIOError:
            self._may_announce[_TOKEN] = True
            if self._queue:
                self._announce()
        except OSError:  # the reader is closed
            pass

    def discard(self) -> None:
        """Discard what was sent, since the reader is closed. The next ``send`` finds that out."""
        if self.stream is None:
            self.stream = StreamDirection(self.sender, self._new_lock, b"")
        else:
            self.stream.discard_backlog()
        self._queue.clear()

    # Unusual uses.

    def become_stream(self, receiver: Any) -> None:
        """Send and receive by the kernel alone from now on.

        Args:
            receiver: a native socket of the reader.
        """
        if self.stream is not None or receiver.fileno() < 0:
            return
        if not self._may_announce.pop(_TOKEN, False):
            # The token is there, or another thread is just putting it there.
            poll = unpatched_select.poll()
            poll.register(receiver, unpatched_select.POLLIN)
            poll.poll(_LONGEST_HAND_OVER)
            self._take_token(receiver)
        self.stream = StreamDirection(self.sender, self._new_lock, self._take_all())
        self.stream.flush_backlog()

    # Fork.

    def leave_to_parent(self, is_ours: bool) -> None:
        """Be empty and closed, until :meth:`renew`. Only a forked child calls this.

        Args:
            is_ours: False if the sender's descriptor is another file's by now.
        """
        self._queue.clear()
        self._may_announce[_TOKEN] = True
        self._is_announced = False
        if is_ours:
            self.sender.close()
        else:
            self.sender.detach()

    def renew(self, sender: Any) -> None:
        """Send by this socket from now on."""
        self.sender = sender
        if self.stream is not None:
            self.stream = StreamDirection(sender, self._new_lock, b"")
