"""What happens when the interpreter exits while other threads run event loops.

CPython before 3.14 ends a daemon thread where the thread next takes the interpreter's lock: it
unwinds the thread's C stack. In a greenlet that stack holds what other greenlets have left there,
and the process crashes. A thread ends well where it is in its loop's own greenlet. So the loops of
other threads are held there, by a callback that waits.

Functions that the program gave to ``atexit.register`` before this module was imported run later.
They may need a loop. So a loop is held for :data:`_LIMIT` only. Then it makes one turn, and is held
again, for :data:`_PAUSE`, and so on. The child processes of ``multiprocessing`` are waited for in
such a function, which may take long.
"""

from __future__ import annotations

import atexit
import functools
import time
from typing import Any

from handler_core.execution import ThreadWaiter
from handler_core_greenlet._hub import LoopHub, all_hubs
from handler_core_greenlet._late_sends import wait_for_late_sends
from handler_core_greenlet._native import allocate_lock

__all__: list[str] = []

#: For so many seconds each loop is held, and the exit waits for a loop that a callback blocks.
_LIMIT = 1.0

#: For so many seconds a loop is held between two turns afterwards.
_PAUSE = 0.05


def _hold_loops() -> None:
    held = [_hold(hub) for hub in all_hubs() if hub.is_running() and not hub.is_in_this_thread()]
    deadline = time.monotonic() + _LIMIT
    for waiter in held:
        waiter.park(max(0.0, deadline - time.monotonic()))
    for hub in all_hubs():
        hub.send_rest()
    wait_for_late_sends()


def _hold(hub: LoopHub) -> ThreadWaiter:
    """Have a loop held; return the waiter that is woken when it is."""
    waiter = ThreadWaiter(allocate_lock)
    hub.call_soon_threadsafe(functools.partial(_stand_still, hub, waiter, _LIMIT))
    return waiter


def _stand_still(hub: LoopHub, waiter: ThreadWaiter, seconds: float) -> None:
    never: Any = allocate_lock()
    never.acquire()
    waiter.wake()
    never.acquire(True, seconds)
    hub.call_soon_threadsafe(functools.partial(_stand_still, hub, waiter, _PAUSE))


atexit.register(_hold_loops)
