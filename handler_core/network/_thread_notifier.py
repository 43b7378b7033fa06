"""A notifier that a thread serves, where the kernel has no ``epoll``: macOS, the BSDs.

One thread of the process polls for all notifiers that are armed. When a descriptor of one is ready,
the thread disarms the notifier and writes a byte into its pair of sockets. So a hub that watches
one end of the pair hears of everything that ``poll`` reports, out-of-band data too, whatever the
hub's own poll can report. It costs two switches between threads for each wait. tornado's
``SelectorThread`` does the same for event loops on Windows that have no ``add_reader``.
"""

from __future__ import annotations

import _socket
import contextlib
import contextvars
import functools
import os
import select
import sys
import weakref
from collections.abc import Mapping

from handler_core.execution._fork import run_in_child, this_process
from handler_core.execution._native_lock import NativeRLock
from handler_core.network._unpatched_select import new_instance, unpatched_select

__all__ = ["ThreadNotifier"]

_unpatched_thread = new_instance("_thread")

# How long, in seconds, the thread stays when nothing is armed. A client is mostly back sooner.
_LINGERS = 1.0

# What `poll` reports unasked.
_ALWAYS = select.POLLERR | select.POLLHUP | select.POLLNVAL


class ThreadNotifier:
    """One descriptor that becomes readable when any of several others is ready.

    It must be armed before each wait.

    Args:
        event_masks: the events to watch for, by descriptor.
    """

    __slots__ = ("_bell",)

    def __init__(self, event_masks: Mapping[int, int]) -> None:
        self._bell = _Bell(event_masks)
        _poll_thread.bells.add(self._bell)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._bell.fileno()

    def arm(self) -> None:
        """Watch until one of the descriptors is ready. Any thread may call this.

        Raises:
            OSError: no descriptor is free for the thread.
            RuntimeError: the interpreter is ending, so no thread can be started.
        """
        _poll_thread.arm(self._bell)

    def ring(self) -> None:
        """Become readable, for good. Any thread may call this."""
        _poll_thread.ring(self._bell)

    def close(self) -> None:
        """Give the descriptors back. It is called once."""
        _poll_thread.close(self._bell)


class _Bell:
    """What the thread needs of a notifier: the descriptors, and a pair of sockets.

    Only :class:`_PollThread` uses it, under its lock.
    """

    def __init__(self, event_masks: Mapping[int, int]) -> None:
        self.event_masks = event_masks
        self._ours, self._theirs = _socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        self.fileno = self._ours.fileno
        #: True once it shall be readable for good.
        self.stays = False

    def is_due(self, events: Mapping[int, int]) -> bool:
        """Return True if one of its descriptors is ready."""
        return any(events.get(fd, 0) & (mask | _ALWAYS) for fd, mask in self.event_masks.items())

    def ring(self) -> None:
        """Make the descriptor readable."""
        with contextlib.suppress(OSError):  # it is full, so it is readable; or it is closed
            self._theirs.send(b"\0")

    def silence(self) -> None:
        """Make the descriptor unreadable."""
        with contextlib.suppress(BlockingIOError):
            while self._ours.recv(64):
                pass

    def leave_to_parent(self) -> None:
        """Have a pair of its own, with the same numbers. Only a forked child calls this."""
        if self.fileno() < 0:
            return
        pair = _socket.socketpair()
        for new, inherited in zip(pair, (self._ours, self._theirs), strict=True):
            new.setblocking(False)
            os.dup2(new.fileno(), inherited.fileno(), False)
            new.close()

    def close(self) -> None:
        """Close both sockets."""
        self._ours.close()
        self._theirs.close()

    def __del__(self) -> None:
        if hasattr(self, "_theirs"):  # it is missing if no descriptor was left for it
            self.close()


class _PollThread:
    """The thread, and what is armed. It lives as long as something is, and a little longer."""

    def __init__(self) -> None:
        #: All that exist. Those whose task waits are armed, or have rung.
        self.bells: weakref.WeakSet[_Bell] = weakref.WeakSet()
        self._generation = this_process.generation
        # A finalizer may close a notifier while its own thread is in here.
        self._lock = NativeRLock()
        self._armed: dict[int, _Bell] = {}
        # Wakes the thread. None while there is none.
        self._waker: _Bell | None = None

    def arm(self, bell: _Bell) -> None:
        """Ring ``bell`` as soon as one of its descriptors is ready."""
        self.leave_to_parent()
        with self._lock:
            if bell.stays:
                return
            bell.silence()
            self._armed[id(bell)] = bell
            if self._waker is None:
                self._start()
            else:
                self._waker.ring()

    def ring(self, bell: _Bell) -> None:
        """Ring ``bell`` at once, for good."""
        self.leave_to_parent()
        with self._lock:
            bell.stays = True
            bell.ring()
            self._disarm(bell)

    def close(self, bell: _Bell) -> None:
        """Close ``bell``, which the thread never rings then."""
        if sys.is_finalizing():
            bell.close()  # the thread stands still for ever, perhaps with the lock
            return
        self.leave_to_parent()
        with self._lock:
            self._disarm(bell)
            bell.close()

    def leave_to_parent(self) -> None:
        """Begin anew in a forked child.

        The child has none of its parent's threads, and one of them may hold the lock. It shares
        the pairs with the parent. A byte that it takes out of one would be missing there. So each
        gets a pair of its own, and rings: its task looks again, and arms it in this process.
        """
        if self._generation == this_process.generation:
            return
        self._generation = this_process.generation
        self._lock = NativeRLock()
        self._armed = {}
        waker, self._waker = self._waker, None
        if waker is not None:
            waker.close()
        for bell in list(self.bells):
            bell.leave_to_parent()
            bell.ring()

    def _disarm(self, bell: _Bell) -> None:
        # A socket that another thread polls stays connected when it is closed. So the thread begins
        # anew without it.
        if self._armed.pop(id(bell), None) is not None and self._waker is not None:
            self._waker.ring()

    def _start(self) -> None:
        try:
            waker = self._waker = _Bell({})
            # The thread outlives the caller, and must not keep the caller's context alive.
            serve = functools.partial(self._serve, waker)
            contextvars.Context().run(_unpatched_thread.start_new_thread, serve, ())
        except BaseException:
            # A signal handler may have raised when the thread had begun. The thread ends then.
            self._waker = waker = serve = None  # type: ignore[assignment]
            raise

    def _serve(self, waker: _Bell) -> None:
        """Do the work of the thread."""
        try:
            self._poll_while_needed(waker)
        finally:
            with self._lock:
                if self._waker is waker:
                    self._waker = None
                    # There are some if the thread has failed. Their tasks arm them again, and
                    # start another thread.
                    while self._armed:
                        self._armed.popitem()[1].ring()
                waker.close()

    def _poll_while_needed(self, waker: _Bell) -> None:
        lingers = True
        while True:
            with self._lock:
                bells = list(self._armed.values())
                if self._waker is waker and not (bells or lingers):
                    self._waker = None
                if self._waker is not waker:
                    return
            events = _poll([waker, *bells], None if bells else _LINGERS)
            lingers = bool(bells or events)
            del bells  # of which the thread keeps none alive
            with self._lock:
                waker.silence()
                for bell in list(self._armed.values()):
                    # A finalizer may have closed it meanwhile, in this thread.
                    if bell.is_due(events) and self._armed.pop(id(bell), None) is not None:
                        bell.ring()


def _poll(bells: list[_Bell], timeout: float | None) -> dict[int, int]:
    """Return the events that have come for ``bells``, the first of which wakes the thread."""
    event_masks: dict[int, int] = {}
    for bell in bells:
        for fd, mask in bell.event_masks.items():
            event_masks[fd] = event_masks.get(fd, 0) | mask
    poll = unpatched_select.poll()
    poll.register(bells[0].fileno(), select.POLLIN)
    for fd, mask in event_masks.items():
        poll.register(fd, mask)
    return dict(poll.poll(None if timeout is None else timeout * 1000))


_poll_thread = _PollThread()
run_in_child(_poll_thread.leave_to_parent)
