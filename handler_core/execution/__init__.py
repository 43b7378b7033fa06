"""What runs, what waits, and how both end.

A callback is queued in a mailbox, and a worker runs it. A caller parks on a waiter, and the setter
of the result wakes it. Start, stop, the drain and fork are here too, and so are events, locks and
conditions, which are built on waiters. This wing is the lowest one: it knows no socket and no
plugin, and it imports no other wing.

The names below are public. The modules with an underscore belong to handler-core alone.
"""

import typing

import handler_core.execution._compiled  # noqa: F401 - it decides which build is imported below
from handler_core.execution._callback import Callback, CallbackLike
from handler_core.execution._fork import running_handlers
from handler_core.execution._lazy_imports import lazy_names as _lazy_names
from handler_core.execution._lifecycle import Lifecycle
from handler_core.execution._result import AsyncResult
from handler_core.execution._thread_errors import report_error
from handler_core.execution._timeout import HandlerTimeoutError
from handler_core.execution._waiter import ThreadWaiter, Waiter, Waker

if typing.TYPE_CHECKING:
    from handler_core.execution._interfaces import IAsyncResult, IHandler, LockLike, Task
    from handler_core.execution._joins import Joinable, joining
    from handler_core.execution._result_decorators import capture_exceptions, wrap
    from handler_core.execution._synchronization import Condition, Event, Lock, RLock
    from handler_core.execution._task_thread import TaskThread
    from handler_core.execution._timer_heap import TimerHandle

__all__ = [
    "AsyncResult",
    "Callback",
    "CallbackLike",
    "Condition",
    "Event",
    "HandlerTimeoutError",
    "IAsyncResult",
    "IHandler",
    "Joinable",
    "Lifecycle",
    "Lock",
    "LockLike",
    "RLock",
    "Task",
    "TaskThread",
    "ThreadWaiter",
    "TimerHandle",
    "Waiter",
    "Waker",
    "capture_exceptions",
    "joining",
    "report_error",
    "running_handlers",
    "wrap",
]

__getattr__, __dir__ = _lazy_names(
    __name__,
    {
        "._result_decorators": "capture_exceptions wrap",
        "._joins": "Joinable joining",
        "._interfaces": "IAsyncResult IHandler LockLike Task",
        "._synchronization": "Condition Event Lock RLock",
        "._task_thread": "TaskThread",
        "._timer_heap": "TimerHandle",
    },
)
