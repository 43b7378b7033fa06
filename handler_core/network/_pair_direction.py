"""One direction of a socket pair: a queue in this process, and a token in the kernel.

While the queue has something, one byte lies in the kernel: the token. So every kind of ``select``
on the reader tells the truth. The sender of the first bytes puts the token there, and the reader of
the last ones takes it away. All sends and receives between these two need no system call.

**There is no lock.** A signal handler or a finalizer may interrupt a sender or a reader at any
point, and send or receive here itself. It may also wait for another thread that does, such as the
loop of a client. With a lock, each would wait for the other.

Instead, what must be done at once is done at once: the iterators of ``itertools`` are put together,
and ``list`` runs them. All of that is C code, between whose steps the interpreter neither runs a
signal handler nor switches to another thread, and the system call in it keeps the interpreter's
lock (:mod:`handler_core.network._short_calls`). So at each point where Python code may be
interrupted, two things hold:

- ``_may_announce`` has its entry if there is no token, and has none if there is one.
- If there is a token, the queue has something, or a reader is about to look.

A compiled build has a function for each of the two things that happen most often.

Where there are no such system calls, a pair is a stream from the beginning
(:mod:`handler_core.network._pair_stream`).
"""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, filterfalse, starmap
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from handler_core.network._pair_stream import StreamDirection
from handler_core.network._short_calls import short_calls

if TYPE_CHECKING:
    from handler_core.execution._interfaces import LockLike

__all__ = ["Direction"]

_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)

_TOKEN = b"\0"

_second = itemgetter(1)

# For `starmap`: one call without arguments.
_ONCE: tuple[tuple[()]] = ((),)


class Direction:
    """One direction of a pair.

    Args:
        sender: a native socket for the end that sends, with ``_as_parameter_``.
        new_lock: makes the lock of a :class:`StreamDirection`.
    """

    def __init__(self, sender: Any, new_lock: Callable[[], LockLike]) -> None:
        #: It never waits. For the other direction this is a native socket of the reader.
        self.sender = sender
        self._new_lock = new_lock
        # What was sent and has not been received. A view is the rest of what was sent at once.
        self._queue: deque[bytes | memoryview] = deque()
        # The arguments of the call that puts the token into the kernel, if it is not there.
        self._may_announce: dict[bytes, tuple[Any, ...]] = {}
        # It has an entry until the bytes are left to the kernel.
        self._is_queued = {_TOKEN: True}
        # What the runs of C code begin with, made once.
        self._queues = (self._queue,)
        self._if_queued = (self._is_queued,)
        self._pop = partial(self._may_announce.pop, _TOKEN, None)
        #: What has taken the place of queue and token, if the pair is used in some unusual way.
        self.stream: StreamDirection | None = None
        self._begin()

    def _begin(self) -> None:
        calls = short_calls()
        if calls is None or self.stream is not None:
            self._is_queued.clear()
            self.stream = StreamDirection(self.sender, self._new_lock)
            return
        one = calls.size(len(_TOKEN))
        self._send = calls.send
        self._recv = calls.recv
        self._announce_compiled = calls.announce
        self._take_last_compiled = calls.take_last
        self._put_token = (self.sender, _TOKEN, one, _DONT_WAIT)
        self._into_buffer = (calls.new_buffer(len(_TOKEN)), one, _DONT_WAIT)
        self._may_announce[_TOKEN] = self._put_token

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
            if self._may_announce:
                self._announce()
            if self.stream is not None:  # another thread has made it one meanwhile
                self._send_rest(self.stream)
        return len(chunk)

    def _announce(self) -> None:
        """At once: if the queue has something, and the token is away, put the token there."""
        if self._announce_compiled is not None:
            if self._announce_compiled(self._queue, self._may_announce, self.sender) >= 0:
                return
        else:
            pops = iter(self._pop, None)
            calls = map(_second, zip(filter(None, self._queues), pops, strict=False))
            if -1 not in list(starmap(self._send, calls)):
                return
        self._may_announce.setdefault(_TOKEN, self._put_token)
        with contextlib.suppress(BlockingIOError):  # something else fills the kernel's buffer
            self.sender.send(_TOKEN, _DONT_WAIT)  # says what is wrong
        self._may_announce.clear()

    def _send_rest(self, stream: StreamDirection) -> None:
        """Send what came into the queue after all had been moved to the stream."""
        with contextlib.suppress(IndexError):  # another thread may be faster
            while self._queue:
                stream.send(self._queue.popleft())

    def close(self) -> None:
        """Close the sender. The reader gets what is in the queue, and then the end."""
        self.sender.close()

    # The reader.

    def receive(self, size: int, receiver: Any) -> bytes:
        """Return up to ``size`` bytes, at once; ``b""`` if there are none.

        Args:
            size: more than 0.
            receiver: a native socket of the reader, with ``_as_parameter_``.
        """
        queue = self._queue
        parts: list[bytes | memoryview] = []
        try:
            while size:
                # If something is left, the token stays there.
                chunk = queue.popleft() if len(queue) > 1 else self._take_last(receiver)
                if len(chunk) > size:
                    view = memoryview(chunk)
                    queue.appendleft(view[size:])
                    chunk = view[:size]
                parts.append(chunk)
                size -= len(chunk)
        except IndexError:
            pass
        except BaseException:
            queue.extendleft(reversed(parts))
            self._look_again(receiver)
            raise
        self._look_again(receiver)
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def _take_last(self, receiver: Any) -> bytes | memoryview:
        """At once: take one chunk, and take the token away if the queue is empty then.

        Raises:
            IndexError: the queue was empty.
        """
        take_last = self._take_last_compiled
        if take_last is not None:
            taken: bytes | memoryview = take_last(
                self._queue, self._is_queued, self._may_announce, self._put_token, receiver
            )
            return taken
        steps = chain(starmap(self._queue.popleft, _ONCE), self._token_away(receiver))
        chunk: bytes | memoryview
        chunk, *_ = steps
        return chunk

    def _token_away(self, receiver: Any) -> Iterator[Any]:
        """Return what takes the token away, if the queue is empty."""
        return zip(
            filter(None, self._if_queued),
            filterfalse(None, self._queues),
            starmap(self._recv, ((receiver, *self._into_buffer),)),
            map(self._may_announce.setdefault, (_TOKEN,), (self._put_token,)),
            strict=False,
        )

    def _look_again(self, receiver: Any) -> None:
        """Put the token into the kernel, or take it away, if that is due.

        It is due after part of a chunk was put back; where several threads read; and after an
        exception that a signal handler has raised.
        """
        if not self._queue and not self._may_announce:
            list(self._token_away(receiver))
        if self._queue and self._may_announce:
            with contextlib.suppress(OSError):  # the writer is closed: no token is needed
                self._announce()

    def discard(self) -> None:
        """Discard what was sent, since the reader is closed. The next ``send`` finds that out."""
        self._queue.clear()
        if self.stream is None:
            self._may_announce.setdefault(_TOKEN, self._put_token)
        else:
            self.stream.discard_backlog()

    # Unusual uses.

    def become_stream(self, receiver: Any) -> None:
        """Send and receive by the kernel alone from now on.

        Args:
            receiver: a native socket of the reader, with ``_as_parameter_``.
        """
        if self.stream is not None:
            return
        stream = StreamDirection(self.sender, self._new_lock)
        queue = self._queue
        # At once: take the token away, and put what was sent into the backlog. One thread does it.
        steps = zip(
            iter(partial(self._is_queued.pop, _TOKEN, None), None),
            starmap(self._recv, ((receiver, *self._into_buffer),)),
            starmap(self._may_announce.clear, _ONCE),
            map(stream.backlog.extend, map(b"".join, self._queues)),
            starmap(queue.clear, _ONCE),
            starmap(setattr, ((self, "stream", stream),)),
            strict=False,
        )
        if list(steps):
            stream.flush_backlog()

    # Fork.

    def leave_to_parent(self, is_ours: bool) -> None:
        """Be empty and closed, until :meth:`renew`. Only a forked child calls this.

        Args:
            is_ours: False if the sender's descriptor is another file's by now.
        """
        self._queue.clear()
        if is_ours:
            self.sender.close()
        else:
            self.sender.detach()

    def renew(self, sender: Any) -> None:
        """Send by this socket from now on."""
        self.sender = sender
        self._begin()
