"""A connection that sends what is sent in one turn of the loop together.

A client with thousands of requests to send gives them to the kernel one by one, and that is what
most of its time goes into: each is a segment of its own, and wakes the server. Here the first of a
turn is sent at once, as ever: a client with one request loses nothing. What the same greenlet, or
another one, sends before the loop has turned is put aside, and goes in one piece as soon as it has.
No greenlet keeps the loop from turning for longer than a few milliseconds, if it uses ``select``.

That a send has returned never meant that anything has arrived. An error of a send is raised by the
next one.
"""

from __future__ import annotations

import _socket
import contextlib
import functools
import os
import threading
import time
from typing import Any

from handler_core.network import LONGEST_TURN, Connection
from handler_core_greenlet import socket as _sockets
from handler_core_greenlet.hub import LoopHub, running_hub
from handler_core_greenlet.waiting import select

__all__ = ["LoopConnection"]

# So many bytes are put aside, and then the kernel must take some first.
_MOST = 65_536

# Guards what is put aside, and is never held while anything waits. One for all connections: those
# of one loop do not contend for it.
_guard = threading.Lock()


class LoopConnection(Connection):
    """A connected socket of the bridge's module, made by its handlers."""

    until_done: Any  # by the socket class that this extends

    #: What is put aside, the hub in whose next turn it goes, and the process that this is true for:
    #: a forked child has a copy, which is the parent's to send.
    _aside: bytearray | None = None
    _hub: LoopHub | None = None
    _process = 0
    _scheduled = False

    #: In which turn the last one was sent: when a greenlet had last been resumed.
    _turn = -1.0

    #: Why what was put aside could not be sent.
    _error_of_send: OSError | None = None

    def send(self, data: Any, flags: int = 0) -> int:
        """Send some of ``data``; return how many bytes.

        Raises:
            OSError: this has failed, or the one before.
        """
        hub = running_hub()
        if hub is None or flags:
            self._send_what_is_aside()
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
        """Return True if a ``send`` will put aside what it is given. In the loop's thread.

        Only for as long as the loop may be kept from turning.
        """
        aside = self._aside
        return (
            (self._turn == hub.parked_at if not aside else len(aside) < _MOST)
            and self._error_of_send is None
            and time.monotonic() - hub.parked_at < LONGEST_TURN
            and self.fileno() >= 0
        )

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of ``data``, within one timeout."""
        self._send_what_is_aside()
        super().sendall(data, flags)  # type: ignore[misc]

    def sendto(self, data: Any, *args: Any) -> int:
        """Send ``data``; the address is that of the other end."""
        self._send_what_is_aside()
        return super().sendto(data, *args)  # type: ignore[misc, no-any-return]

    def sendmsg(self, buffers: Any, *args: Any) -> int:
        """Send buffers, with ancillary data."""
        self._send_what_is_aside()
        return super().sendmsg(buffers, *args)  # type: ignore[misc, no-any-return]

    def shutdown(self, how: int) -> None:
        """Shut one direction down, or both."""
        self._send_what_is_aside()
        super().shutdown(how)  # type: ignore[misc]

    def dup(self) -> Any:
        """Return an ordinary socket for the same connection."""
        self._send_what_is_aside()
        return super().dup()

    def detach(self) -> int:
        """Give up the descriptor, and return it."""
        self._send_what_is_aside()
        return super().detach()

    def close(self) -> None:
        """Close this socket. What is put aside still goes."""
        if self._aside:
            self._leave_to_another()
        super().close()

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
            if len(aside) >= _MOST and not self._offer():
                self._raise_error_of_send()
                raise BlockingIOError
            self._raise_error_of_send()
            aside += view
            self._hub = hub
            if not self._scheduled:
                self._scheduled = True
                hub.call_soon(self._send_as_the_loop_turns)
        return len(view)

    def _send_as_the_loop_turns(self) -> None:
        with _guard:
            self._scheduled = False
            self._offer()
            left = bool(self._aside)
        if left and self._hub is not None:
            self._scheduled = True
            self._hub.spawn(self._send_the_rest)

    def _send_the_rest(self) -> None:
        try:
            with contextlib.suppress(OSError, ValueError):  # it has been closed, and cared for
                while self._aside:
                    select([], [self], [])
                    with _guard:
                        self._offer()
        finally:
            self._scheduled = False

    def _send_what_is_aside(self) -> None:
        """Send it now, as the socket waits."""
        if self._aside:
            self.until_done(self._send_all_aside, writing=True)

    def _send_all_aside(self) -> None:
        with _guard:
            self._offer()
            if self._aside:
                raise BlockingIOError

    def _offer(self) -> bool:
        """Give the kernel what it takes of it; return True if it takes any. Under the guard."""
        aside = self._aside
        if not aside:
            return False
        if self._process != os.getpid():
            aside.clear()
            return False
        try:
            sent = _socket.socket.send(self, aside)  # type: ignore[arg-type]
        except BlockingIOError:
            return False
        except OSError as error:
            self._error_of_send = error
            aside.clear()
            return False
        del aside[:sent]
        return True

    def _leave_to_another(self) -> None:
        """Have a socket of its own send what the kernel does not take at once."""
        with _guard:
            self._offer()
            aside, self._aside = self._aside, None
        if aside and self._hub is not None:
            heir = _sockets.socket(self.family, self.type, self.proto, os.dup(self.fileno()))
            heir.setblocking(True)
            self._hub.call(
                functools.partial(self._hub.spawn, functools.partial(_send_and_close, heir, aside))
            )

    def _raise_error_of_send(self) -> None:
        error, self._error_of_send = self._error_of_send, None
        if error is not None:
            raise error


def _send_and_close(heir: Any, data: bytearray) -> None:
    with heir, contextlib.suppress(OSError):  # the other end has gone
        heir.sendall(data)
