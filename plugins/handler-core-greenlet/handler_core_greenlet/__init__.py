"""The bridge between greenlets and an event loop, whatever loop it is.

It is no concurrency model: ``handler-core-asyncio`` is one, which adds to this what is asyncio's.
"""

from handler_core_greenlet.handler import LoopHandler
from handler_core_greenlet.hub import LoopHub, TaskGreenlet, hub_of_thread, running_hub
from handler_core_greenlet.private import PrivateLoop
from handler_core_greenlet.queues import Queue
from handler_core_greenlet.strand import Strand
from handler_core_greenlet.waiting import new_waiter, sleep

__all__ = [
    "LoopHandler",
    "LoopHub",
    "PrivateLoop",
    "Queue",
    "Strand",
    "TaskGreenlet",
    "hub_of_thread",
    "new_waiter",
    "running_hub",
    "sleep",
]
