"""A connection that sends in one piece what is sent within one turn of the loop.

A client with thousands of requests would give them to the kernel one by one, and spend most of its
time on that: each request is a segment of its own, and wakes the server. So only the first send
within a turn of the loop goes to the kernel at once. A client with one request at a time loses
nothing. What any greenlet sends before the loop has turned is put aside. It goes in one piece when
the loop turns. A greenlet that uses ``select`` keeps the loop from turning for a few milliseconds
at the most.

As on any socket, a ``send`` that returns does not mean that the data has arrived. If what was put
aside cannot be sent, the next ``send`` raises the error. If the connection is closed, or its loop
ends, what was put aside is still sent.
"""

from __future__ import annotations

import _socket
import errno
import functools
import os
import time
from _thread import RLock  # no library patches it
from collections.abc import Callable
from typing import Any, ClassVar

from handler_core.network import LONGEST_TURN, Connection
from handler_core_greenlet._find_hub import find_hub
from handler_core_greenlet._heir import Heir, leave_unsent, send_in_loop
from handler_core_greenlet._hub import LoopHub

__all__ = ["LoopConnection"]

# Guards what is put aside. It is never held while anything waits, so all connections share it:
# those of one loop do not contend for it. It is re-entrant, because a signal handler may send.
_guard = RLock()


def _renew_guard() -> None:
    global _guard
    _guard = RLock()  # another thread may have held it, which a forked child does not have


os.register_at_fork(after_in_child=_renew_guard)


class LoopConnection(Connection):
    """A connected socket of the module ``handler_core_greenlet.socket``. Handlers make it."""

    #: How many bytes are put aside before the kernel must take some of them.
    buffer_size: ClassVar[int] = 65_536

    # A method of the socket class that this extends.
    until_done: Any

    # What is put aside, the hub whose next turn sends it, and the process that put it aside. A
    # forked child has a copy, which only the parent sends.
    _aside: bytearray | None = None
    _hub: LoopHub | None = None
    _process = 0
    _scheduled = False

    # True while the kernel is given what is put aside. A signal handler may come in between.
    _offering = False

    # The turn of the last send, as the time at which a greenlet had last been resumed.
    _turn = -1.0

    # Why what was put aside could not be sent.
    _error_of_send: OSError | None = None

    # True after a `shutdown` that an heir carries out when it has sent what was put aside.
    _heir_ends_stream = False

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of ``data``; return how many bytes.

        Raises:
            OSError: this send has failed, or the one before.
        """
        hub = find_hub()
        if hub is None or flags:
            self._begin_to_send(flags)
        elif (self._aside or self._turn == hub.parked_at) and self.fileno() >= 0:
            count: int = self.until_done(self._put_aside, hub, data, writing=True)
            return count
        else:
            self._turn = hub.parked_at
        self._raise_error_of_send()
        try:
            return _socket.socket.send(self, data, flags)  # type: ignore[arg-type]
        except BlockingIOError:
            return super().send(data, flags)  # type: ignore[misc, no-any-return]

    def has_room(self, hub: LoopHub) -> bool:
        """Return True if a ``send`` will put its data aside. Only the loop's thread calls this.

        It is True for as long as a greenlet may keep the loop from turning.
        """
        aside = self._aside
        return (
            (self._turn == hub.parked_at if not aside else len(aside) < self.buffer_size)
            and self._error_of_send is None
            and time.monotonic() - hub.parked_at < LONGEST_TURN
            and self.fileno() >= 0
        )

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of ``data``, within one timeout."""
        self._begin_to_send(flags)
        super().sendall(data, flags)  # type: ignore[misc]

    def sendto(self, data: Any, *args: Any) -> int:
        """Send ``data``; the address is that of the other end."""
        self._begin_to_send(args[0] if len(args) > 1 else 0)
        return super().sendto(data, *args)  # type: ignore[misc, no-any-return]

    def sendmsg(self, buffers: Any, *args: Any) -> int:
        """Send buffers, with ancillary data."""
        self._begin_to_send(args[1] if len(args) > 1 else 0)
        return super().sendmsg(buffers, *args)  # type: ignore[misc, no-any-return]

    def shutdown(self, how: int) -> None:
        """Shut one direction down, or both, without a wait. What is put aside is still sent.

        A task that is parked in a ``send`` gets a ``BrokenPipeError``, as on any socket.
        """
        if how == _socket.SHUT_RD:
            super().shutdown(how)  # type: ignore[misc]
            return
        before = self.sends_no_more
        with _guard:
            self.sends_no_more = True  # first: no other task may put anything aside from now on
        try:
            if self._heir_ends_stream or self._leave_to_heir(
                lambda: os.dup(self.fileno()), ends_stream=True
            ):
                self._heir_ends_stream = True
                # The kernel resumes nobody who waits to write, since the heir still does.
                self.resume_writers()
                if how == _socket.SHUT_WR:
                    return
                how = _socket.SHUT_RD
            super().shutdown(how)  # type: ignore[misc]
        except OSError:
            self.sends_no_more = before or self._heir_ends_stream
            raise

    def dup(self) -> Any:
        """Return an ordinary socket for the same connection."""
        self._send_what_is_aside()
        return super().dup()

    def detach(self) -> int:
        """Give up the descriptor, and return it."""
        self._send_what_is_aside()
        return super().detach()

    def _real_close(self, *args: Any) -> None:
        """Close the descriptor, or leave it to an heir: what is put aside is still sent.

        ``close`` calls this, or the end of the last ``makefile``.
        """
        take = functools.partial(_socket.socket.detach, self)  # type: ignore[arg-type]
        if not self._leave_to_heir(take, ends_stream=False):
            super()._real_close(*args)  # type: ignore[misc]

    def _wait(self, writing: bool, deadline: float | None) -> None:
        super()._wait(writing, deadline)  # type: ignore[misc]
        if writing and self.sends_no_more:  # another task has shut it down meanwhile
            self._raise_error_of_send()

    def _put_aside(self, hub: LoopHub, data: Any) -> int:
        """Put ``data`` aside.

        Raises:
            BlockingIOError: there is no room, and the kernel makes none.
        """
        view = memoryview(data).cast("B")
        with _guard:
            aside = self._aside
            if aside is None:
                aside = self._aside = bytearray()
            self._process = os.getpid() if not aside else self._process
            if len(aside) >= self.buffer_size and not self._offer():
                self._raise_error_of_send()
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            self._raise_error_of_send()
            aside += view
            if not self._scheduled or self._hub is not hub:
                self._hub = hub
                self._scheduled = True
                hub.unsent.add(self)
                hub.call_soon(functools.partial(self._send_in_this_turn, hub))
        return len(view)

    def _send_in_this_turn(self, hub: LoopHub) -> None:
        self.offer()
        if self._aside:
            hub.spawn(functools.partial(self._send_the_rest, hub))
        else:
            self._is_sent(hub)

    def _send_the_rest(self, hub: LoopHub) -> None:
        try:
            send_in_loop(self)
        finally:
            self._is_sent(hub)

    def _is_sent(self, hub: LoopHub) -> None:
        """Be scheduled no more. What a cancelled greenlet has left is sent when the loop ends."""
        if self._hub is hub:
            self._scheduled = False
        if not self._aside:
            hub.unsent.discard(self)

    # What is put aside, as the module of late sends sees it.

    def offer(self) -> bool:
        """Give the kernel what it takes of what is put aside; return True if it takes any."""
        with _guard:
            return self._offer()

    def count_unsent(self) -> int:
        """Return how many bytes are put aside. In a forked child, none are."""
        return len(self._aside or b"") if self._process == os.getpid() else 0

    def forget_unsent(self) -> None:
        """Send nothing of what is put aside."""
        with _guard:
            if self._aside:
                self._aside.clear()

    def _send_what_is_aside(self, flags: int = 0) -> None:
        """Send it now. Wait for the kernel as the socket waits."""
        if self._aside:
            self.until_done(self._send_all_aside, writing=True, flags=flags)

    def _send_all_aside(self) -> None:
        with _guard:
            self._offer()
            if self._aside:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def _offer(self) -> bool:
        """Do what :meth:`offer` does. The caller has the guard."""
        aside = self._aside
        if not aside or self._offering:
            return False
        if self._process != os.getpid():
            aside.clear()
            return False
        self._offering = True
        try:
            sent = _socket.socket.send(self, aside)  # type: ignore[arg-type]
            del aside[:sent]
        except BlockingIOError:
            return False
        except OSError as error:
            self._error_of_send = error
            aside.clear()
            return False
        finally:
            self._offering = False
        return True

    def _leave_to_heir(self, take: Callable[[], int], *, ends_stream: bool) -> bool:
        """Have an heir send what the kernel does not take at once.

        Args:
            take: returns the heir's descriptor.
            ends_stream: whether the heir shuts down the sending direction afterwards.

        Returns:
            False if nothing is left for one.
        """
        if not self._aside:
            return False
        with _guard:
            self._offer()
            if not self._aside or self._hub is None:
                return False
            heir = Heir(self, take(), self._aside, ends_stream)
            self._aside = None
        leave_unsent(heir, self._hub)
        return True

    def _begin_to_send(self, flags: int = 0) -> None:
        """Send what is put aside, since what follows it goes to the kernel at once."""
        self._send_what_is_aside(flags)
        if self.sends_no_more:
            self._raise_error_of_send()

    def _raise_error_of_send(self) -> None:
        if self.sends_no_more:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        error, self._error_of_send = self._error_of_send, None
        if error is not None:
            raise error
