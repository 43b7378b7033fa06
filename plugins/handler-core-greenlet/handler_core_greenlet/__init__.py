"""The bridge between greenlets and an event loop, for any event loop.

A task is a greenlet whose parent is the greenlet that runs the loop. A task that waits switches to
its parent, so the loop goes on; a callback of the loop switches back. So code in blocking style
runs on the thread of the loop, beside its coroutines. This package has everything that is the same
for every loop: the hub (:class:`LoopHub`, and :class:`TaskHub` for a loop that runs tasks only),
the handler (:class:`LoopHandler`), a greenlet that calls functions for a coroutine
(:class:`CallGreenlet`), a loop for programs that run none (:class:`PrivateLoop`), queues,
``sleep``, sockets, and what happens at fork and when the interpreter exits. It is not a model
itself. ``handler-core-asyncio`` and ``handler-core-trio`` are models: they add what is special to
their libraries.

The modules ``socket``, ``ssl`` and ``select`` of this package have the names of the standard
library's modules on purpose. A handler names a socket module and takes the module ``ssl`` beside
it for TLS, and each of the three has the functions and classes of the module that it is named
after. A program writes ``from handler_core_greenlet import socket``, as it would with
``gevent.socket``. Imports in this package are absolute, so ``import socket`` is always the
standard library's.

The names below and these three modules are public. The modules with an underscore are internal.
"""

from handler_core_greenlet import _interpreter_exit as _interpreter_exit  # it registers itself
from handler_core_greenlet._async_context import AsyncContext
from handler_core_greenlet._buffered_connection import LoopConnection
from handler_core_greenlet._call_greenlet import CallGreenlet
from handler_core_greenlet._debug_mode import watch_blocking_calls
from handler_core_greenlet._handler import LoopHandler
from handler_core_greenlet._hub import (
    AwaitedCall,
    LoopHub,
    TaskGreenlet,
    hub_of_thread,
    running_hub,
)
from handler_core_greenlet._private_loop import PrivateLoop
from handler_core_greenlet._queue import LifoQueue, Queue
from handler_core_greenlet._sleep_and_select import new_waiter, sleep
from handler_core_greenlet._task_hub import TaskCall, TaskHub, TaskWaiter

__all__ = [
    "AsyncContext",
    "AwaitedCall",
    "CallGreenlet",
    "LifoQueue",
    "LoopConnection",
    "LoopHandler",
    "LoopHub",
    "PrivateLoop",
    "Queue",
    "TaskCall",
    "TaskGreenlet",
    "TaskHub",
    "TaskWaiter",
    "hub_of_thread",
    "new_waiter",
    "running_hub",
    "sleep",
    "watch_blocking_calls",
]
