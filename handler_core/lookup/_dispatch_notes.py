"""What a wrapper remembers of a callback from its dispatch to its run.

``dispatch_callback`` sees only the queueing, ``run_callback`` only the run, and what belongs to
both (the time, the context of a trace) must be kept in between. That is less easy than it looks:
one object may be dispatched twice, need not be hashable, and runs in another thread, perhaps before
its dispatch has returned; a handler may be dropped with its queue full, or find itself empty in
a forked child; and a wrapper further out may raise before this one hears of a run.

So it is the handler that keeps the notes, beside its queue: what they refer to may refer to the
handler, and all of it is collected together. A callback is known by its ``id``, and its note keeps
it alive, so that no other callback can have that ``id`` meanwhile. And it is the core that takes a
note out of the queue when it comes to run the callback, whether or not anybody asks for it.
"""

from __future__ import annotations

import weakref
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from handler_core.execution._callback import CallbackLike

if TYPE_CHECKING:
    from handler_core.handler._handler import Handler

__all__ = ["Dispatched"]

T = TypeVar("T")


class Dispatched(Generic[T]):
    """Values that belong to dispatched callbacks which have not run yet.

    One object for each wrapper, whatever the number of its handlers. Safe from any OS thread, also
    in a signal handler or finalizer that dispatches in the midst of a dispatch. A forked child has
    none.
    """

    def __init__(self) -> None:
        # By their ids. Its references are copied in one step, which no signal handler interrupts.
        self._handlers: weakref.WeakValueDictionary[int, Handler] = weakref.WeakValueDictionary()

    def remember(self, handler: Handler, callback: CallbackLike, value: T) -> Note[T]:
        """Return a context manager to be around the dispatch: it keeps ``value`` for the run.

        What raises inside of it was not dispatched, and is forgotten. If a wrapper further in
        swallows such an exception, the value is kept, and the object with it, until that object is
        dispatched and runs: no other callback gets it.
        """
        return Note(self._notes_of(handler), callback, value)

    def take(self, handler: Handler, callback: CallbackLike) -> T | None:
        """Return what was remembered for ``callback``, which is running now, and forget it.

        To be called by a wrapper of ``run_callback``. None for a callback that was not dispatched,
        such as one that is linked to a result. Of an object that was dispatched twice, the first
        one's value comes first. What nobody takes while the callback runs is forgotten.
        """
        notes = handler._notes.get(self)
        note = None if notes is None else notes.running.pop(id(callback), None)
        return None if note is None else note.value

    def count(self, handler: Handler) -> int:
        """Return how many callbacks of ``handler`` have been dispatched and have not begun yet."""
        notes = handler._notes.get(self)
        return 0 if notes is None else notes.count()

    def handlers(self) -> list[Handler]:
        """Return the handlers that callbacks were dispatched to, and that are still in use."""
        known = [ref() for ref in self._handlers.valuerefs()]
        return [each for each in known if each is not None and self in each._notes]

    def _notes_of(self, handler: Handler) -> Notes[T]:
        notes: Notes[T] | None = handler._notes.get(self)
        if notes is None:
            self._handlers[id(handler)] = handler
            # Another thread may have come first, or a signal handler.
            notes = handler._notes.setdefault(self, Notes(handler._lock))
        return notes


class Notes(Generic[T]):
    """What one wrapper remembers of the callbacks of one handler."""

    __slots__ = ("_lock", "_queued", "running")

    def __init__(self, lock: Any) -> None:
        #: The handler's: native, re-entrant, and free in a forked child.
        self._lock = lock
        self._queued: dict[int, deque[Note[T]]] = {}
        #: Those of the callbacks that are running, until somebody takes them.
        self.running: dict[int, Note[T]] = {}

    def add(self, note: Note[T]) -> None:
        fresh = deque((note,))
        with self._lock:
            queued = self._queued.setdefault(id(note.callback), fresh)
            if queued is not fresh:
                queued.append(note)

    def discard(self, note: Note[T]) -> None:
        key = id(note.callback)
        with self._lock:
            queued = self._queued.get(key)
            if queued is not None and note in queued:
                queued.remove(note)
                self._tidy_up(key, queued)

    def begin(self, callback: CallbackLike) -> None:
        """Have the oldest note of ``callback``, if there is one, be that of a running one."""
        key = id(callback)
        with self._lock:
            queued = self._queued.get(key)
            if queued:
                self.running[key] = queued.popleft()
                self._tidy_up(key, queued)

    def end(self, callback: CallbackLike) -> None:
        self.running.pop(id(callback), None)

    def count(self) -> int:
        with self._lock:
            return sum(len(queued) for queued in list(self._queued.values()))

    def _tidy_up(self, key: int, queued: deque[Note[T]]) -> None:
        if not queued:
            removed = self._queued.pop(key, None)
            if removed:  # a signal handler has dispatched the same object just now
                self._queued.setdefault(key, deque()).extend(removed)


class Note(Generic[T]):
    """What is remembered of one dispatch; entered around it. Equal to itself alone."""

    __slots__ = ("_notes", "callback", "value")

    def __init__(self, notes: Notes[T], callback: CallbackLike, value: T) -> None:
        self._notes = notes
        self.callback = callback
        self.value = value

    def __enter__(self) -> None:
        try:
            self._notes.add(self)
        except BaseException:  # Ctrl-C, between the adding and the return
            self._notes.discard(self)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._notes.discard(self)
