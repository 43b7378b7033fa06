"""The time limits of the suite, and the alarms that end a test that hangs.

No test demands that something is *fast*, because machines are busy. But a waiter must be woken
within :data:`LIMIT` seconds, and no machine is too busy for that. A timeout can hide a waiter that
nobody wakes: when the time is over, the waiter looks again and finds its outcome. So a test gives
:data:`LONG` as the timeout to a wait that something else must end. Then it looks at the clock, and
fails if the wait took longer than :data:`LIMIT`. ``Suite.woken``, ``Suite.happens`` and
``Suite.ended`` do this.

A handler may hang anywhere. Each test has :data:`TEST_LIMIT` seconds. Then an alarm interrupts it,
as Ctrl-C would, and the test fails in the line that hangs. An alarm interrupts the stop of its
handler in the same way, and the next test runs. No alarm can interrupt, say, a loop that swallows
every exception. In that case the process ends :data:`LIMIT` seconds later, and prints the stacks of
all threads.
"""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = [
    "ALARM_INTERVAL",
    "LIMIT",
    "LONG",
    "TEST_LIMIT",
    "Alarm",
    "Overdue",
    "ended_after",
    "interrupted_after",
]

#: Seconds within which an expected event must happen, or the test fails.
LIMIT = 30.0

#: The timeout, in seconds, of a wait that must end before its timeout.
LONG = 2 * LIMIT

#: Seconds after which an alarm interrupts a test.
TEST_LIMIT = 2.5 * LIMIT

#: Seconds between two interruptions. More than one is needed where a callback has swallowed the
#: first.
ALARM_INTERVAL = 5.0


class Overdue(SystemError):
    """The line that raises this hangs.

    It is a ``SystemError`` for the sake of gevent. If the alarm rings in gevent's hub, the hub
    passes the exception on to the main greenlet only if it is one that ends a program.
    """


class Alarm:
    """Raises :class:`Overdue` in the main thread when a ``with`` block takes too long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        #: All that was raised. The exception alone may get lost, because a worker logs what its
        #: callbacks raise.
        self.raised: list[Overdue] = []

    def ring(self, _: int, __: FrameType | None) -> None:
        """Handle the signal."""
        self.raised.append(Overdue(f"this hangs: it has not ended within {self._seconds} seconds"))
        raise self.raised[-1]

    def check(self) -> None:
        """Raise :class:`Overdue` if the alarm has rung."""
        if self.raised:
            raise Overdue(f"this was interrupted after {self._seconds} seconds")


@contextlib.contextmanager
def interrupted_after(seconds: float) -> Iterator[Alarm]:
    """Raise :class:`Overdue` in the main thread if the ``with`` block takes so many seconds.

    The alarm is a ``SIGALRM``. pytest-timeout may use that signal too. Its alarm continues after
    the block. If it is due earlier than this one, this function sets no alarm at all.
    """
    alarm = Alarm(seconds)
    remaining, _ = signal.getitimer(signal.ITIMER_REAL)
    is_ours = isinstance(getattr(signal.getsignal(signal.SIGALRM), "__self__", None), Alarm)
    # Compare numbers, because eventlet takes each greenlet for a thread.
    in_main = threading.get_native_id() == threading.main_thread().native_id
    if not in_main or (0 < remaining < seconds and not is_ours):
        yield alarm
        return

    handler = signal.signal(signal.SIGALRM, alarm.ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, ALARM_INTERVAL)
    try:
        yield alarm
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)


@contextlib.contextmanager
def ended_after(seconds: float, stderr: int) -> Iterator[None]:
    """End the process if the block takes so many seconds, and print the stacks of all threads.

    A thread of ``faulthandler`` does it. That thread needs no interpreter, so it works where
    nothing else does.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
