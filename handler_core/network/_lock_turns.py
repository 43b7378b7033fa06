"""How long threads keep the interpreter's lock, when they make calls that do not give it away.

:mod:`handler_core.network._short_calls` has such calls. A thread that never gives the lock away is
asked for it only after the interpreter's switch interval, which is 5 ms. Other threads would pay
for that. So :func:`may_keep_lock` says no once in :data:`_TURN`, and the caller makes that one call
in the ordinary way.

A lock that is given away for a microsecond is often taken back before another thread has woken
up. So once in :data:`_LONGEST_TURN`, :func:`may_keep_lock` also sleeps for a moment. Then another
thread gets the lock.

Threads that mostly wait do not compete for the lock, and an ordinary call is a little quicker than
one by ``ctypes``. So there the lock is kept only after :data:`_LEAST_STREAK` waits in ``select``
have ended at once. A compiled call is the quickest.

Measured with 5,000 requests in flight: without the first, a thread that sleeps for 1 ms wakes up 4
ms late; without the second, one in a hundred wakes up 10 to 30 ms late.
"""

from __future__ import annotations

import time
from types import FunctionType

from handler_core.network._unpatched_select import unpatched_select

__all__ = ["lock_was_free", "may_keep_lock", "note_wait"]

# In seconds.
_TURN = 100e-6
_LONGEST_TURN = 1e-3
_SHORTEST_SLEEP = 1e-6
_AT_ONCE = 30e-6

# When the lock was last given away, and when for long enough. All threads share these two: it does
# not matter which of them gives the lock away.
_given_away_at = _free_at = 0.0

# How many waits in a row have ended at once, in any thread.
_streak = 0


def may_keep_lock() -> bool:
    """Return True if a call may keep the lock; False if it is time to give the lock away."""
    global _given_away_at, _free_at
    if _streak < _LEAST_STREAK:
        return False
    now = time.monotonic()
    if now - _given_away_at < _TURN:
        return True
    if now - _free_at > _LONGEST_TURN:
        unpatched_select.select([], [], [], _SHORTEST_SLEEP)  # `time.sleep` may be patched
        now = _free_at = time.monotonic()
    _given_away_at = now
    return False


def lock_was_free() -> None:
    """Begin a new turn: the caller has waited, and the lock was free meanwhile."""
    global _given_away_at, _free_at, _streak
    _streak = 0
    _given_away_at = _free_at = time.monotonic()


def note_wait(seconds: float) -> None:
    """Note how long a wait took that has given the lock away."""
    global _streak
    if seconds < _AT_ONCE:
        _streak += 1
    else:
        lock_was_free()


_LEAST_STREAK = 4 if isinstance(may_keep_lock, FunctionType) else 0
