"""A mailbox: what one worker has to run, and what is known of that worker.

**A mailbox is a deque, and takes no lock.** A sender appends an item and then reads ``busy`` (see
:mod:`handler_core.execution._dispatch`). A worker clears ``busy`` before it parks, and then reads
the deque once more. Both sides hold the deque's own lock for a moment in between (the deque has one
where there is no GIL). So the second of the two sees what the first has stored: the worker sees the
item, or the sender sees that no worker is busy, and wakes it. Everything else that two threads
could touch is under the handler's one lock, which is the lock of its results too.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Hashable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from handler_core.execution._callback import Callback, CallbackLike

if TYPE_CHECKING:
    from handler_core.execution._interfaces import Task
    from handler_core.execution._waiter import Waiter

__all__ = [
    "Drain",
    "InContext",
    "Item",
    "Kept",
    "Link",
    "Mailbox",
    "Mailroom",
    "State",
    "Worker",
    "as_callback",
]

#: A linked callback and its result. The worker calls it as it is. A :class:`Callback` is made of it
#: only for wrappers and for the log.
Link: TypeAlias = tuple[Callable[[Any], object], Any]


class State(enum.Enum):
    """Where a handler is between ``start`` and ``stop``."""

    STOPPED = "stopped"
    RUNNING = "running"
    DRAINING = "draining"


class Mailbox:
    """What one worker has to run, and the worker."""

    __slots__ = ("append", "busy", "items", "keeps_context", "waiter", "worker")

    def __init__(self, keeps_context: bool) -> None:
        self.items: deque[Item] = deque()
        #: Adds an item at the end. To find it here is faster.
        self.append: Callable[[Item], None] = self.items.append
        #: What the model says; see :class:`Model`. To find it here is faster.
        self.keeps_context = keeps_context
        #: True while a worker is sure to read ``items`` again.
        self.busy = False
        #: The worker; None while there is none.
        self.worker: Worker | None = None
        #: The waiter on which the worker is parked.
        self.waiter: Waiter | None = None

    def post(self, callback: CallbackLike) -> bool:
        """Add a callback; return False if the worker has to be woken or started.

        Raises:
            TypeError: ``callback`` has no ``func`` or no ``args``.
        """
        if type(callback) is not Callback:
            try:
                callback.func, callback.args  # noqa: B018 - both must be there
            except AttributeError:
                raise TypeError(
                    f"dispatch_callback() takes an object with .func and .args, not {callback!r}; "
                    'for a function f, write dispatch_callback(Callback("name", f, ()))'
                ) from None
        self.append((copy_context(), callback) if self.keeps_context else callback)
        return self.busy

    def retire(self) -> None:
        """Forget the worker. It is about to end, or ends as soon as it begins."""
        self.busy = False
        self.worker = self.waiter = None


class Mailroom:
    """The two mailboxes of a handler, and what a sender touches besides.

    A base class of its own, whose attributes compiled code finds without a look-up.
    """

    __slots__ = ("_callbacks", "_completions", "_lock", "_state", "_unstarted")

    def __init__(self, lock: Any, keeps_context: bool) -> None:
        self._lock = lock
        self._state = State.STOPPED
        self._callbacks = Mailbox(keeps_context)
        self._completions = Mailbox(keeps_context)
        #: True if a mailbox may have a worker whose task has not been started.
        self._unstarted = False


class Worker:
    """The right to run what is in a mailbox. A task that has lost this right ends."""

    __slots__ = ("identity", "started", "task")

    def __init__(self) -> None:
        #: True once a caller has begun to start the task.
        self.started = False
        #: What tells the task from all others, from the moment in which it runs.
        self.identity: Hashable = None
        #: The task, to join. None for a worker that runs in the task of its caller.
        self.task: Task | None = None


class Drain:
    """One ``stop`` on its way through the mailboxes, and the callers that wait for its end."""

    __slots__ = ("dropped", "ended", "mailbox", "waiters")

    def __init__(self) -> None:
        #: The mailbox in which it lies, or the timers; None before and after.
        self.mailbox: Any = None
        self.waiters: list[Waiter] = []
        #: The workers that it has ended.
        self.ended: list[Worker] = []
        #: The timers that it has dropped. They are freed with it, when nobody holds the lock: a
        #: finalizer may want another one.
        self.dropped: list[Item] = []


class InContext:
    """A link, and the context (``contextvars``) in which it is to run.

    It takes the place of the link on a result. It is equal to that link, so ``unlink`` finds it.
    """

    __slots__ = ("context", "link")

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, link: Callable[[Any], object], context: Context) -> None:
        self.link = link
        self.context = context

    def __call__(self, result: Any) -> object:
        return self.context.run(self.link, result)

    def __eq__(self, other: object) -> bool:
        return bool(self.link == (other.link if type(other) is InContext else other))


#: A dispatched callback, and the context in which it is to run.
Kept: TypeAlias = tuple[Context, CallbackLike]

#: What lies in a mailbox. A model that keeps contexts has each callback as a :data:`Kept`, and each
#: link as an :class:`InContext` and its result. Any other model has none of the two.
Item: TypeAlias = CallbackLike | Link | Kept | Drain


def as_callback(item: CallbackLike | Link | Kept) -> CallbackLike:
    """Return an item as wrappers and the log see it."""
    if type(item) is not tuple:
        return cast(CallbackLike, item)
    first, second = item
    if type(first) is Context:
        return cast(CallbackLike, second)
    return Callback("completion", first.link if type(first) is InContext else first, (second,))
