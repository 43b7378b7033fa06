"""The notes of a wrapper about a callback, from its dispatch to its run.

The hook ``dispatch_callback`` sees only the queueing, and ``run_callback`` sees only the run. A
wrapper of both has to keep a value in between: the time of the dispatch, or the context of a trace.
These cases make that hard:

- One object may be dispatched twice, and need not be hashable.
- A callback runs in another thread, perhaps before its dispatch has returned.
- A handler may be dropped with a full queue. In a forked child it has an empty one.
- A wrapper further out may raise before this wrapper hears of the run.

So the handler keeps the notes, beside its queue. A note may refer to the handler, and both are
garbage-collected together. A callback is known by its ``id``. Its note keeps the callback alive, so
no other callback can have that ``id`` meanwhile. The core takes a note out of the queue when it
runs the callback, whether or not a wrapper asks for the note.
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
    """Keeps a value for each dispatched callback until the callback has run.

    A wrapper has one such object, for any number of handlers. All methods are safe from any OS
    thread, and in a signal handler or finalizer that interrupts a dispatch to dispatch another
    callback. In a forked child it is empty.
    """

    def __init__(self) -> None:
        # By their ids. `valuerefs` copies the references in one step: no signal handler can
        # interrupt it.
        self._handlers: weakref.WeakValueDictionary[int, Handler] = weakref.WeakValueDictionary()

    def remember(self, handler: Handler, callback: CallbackLike, value: T) -> Note[T]:
        """Keep ``value`` for the run of ``callback``.

        Returns a context manager. Enter it around the dispatch, that is around the ``yield`` of a
        wrapper of ``dispatch_callback``. If the dispatch raises, the callback was not queued, and
        the value is dropped. If a wrapper further in swallows that exception, the value and the
        callback are kept until that same callback is dispatched and runs. No other callback gets
        the value.
        """
        return Note(self._notes_of(handler), callback, value)

    def take(self, handler: Handler, callback: CallbackLike) -> T | None:
        """Return the value that was kept for ``callback``, which is running now, and drop it.

        For wrappers of ``run_callback``. Returns None for a callback that was not dispatched, for
        example one that is linked to a result. If one object was dispatched twice, the value of
        the first dispatch comes first. A value that is not taken during the run is dropped.
        """
        notes = handler._notes.get(self)
        note = None if notes is None else notes.running.pop(id(callback), None)
        return None if note is None else note.value

    def count(self, handler: Handler) -> int:
        """Return how many callbacks of ``handler`` were dispatched and have not begun to run."""
        notes = handler._notes.get(self)
        return 0 if notes is None else notes.count()

    def handlers(self) -> list[Handler]:
        """Return the handlers that got callbacks, and that are still in use."""
        known = [ref() for ref in self._handlers.valuerefs()]
        return [each for each in known if each is not None and self in each._notes]

    def _notes_of(self, handler: Handler) -> Notes[T]:
        notes: Notes[T] | None = handler._notes.get(self)
        if notes is None:
            self._handlers[id(handler)] = handler
            # Another thread or a signal handler may have added its notes just now.
            notes = handler._notes.setdefault(self, Notes(handler._lock))
        return notes


class Notes(Generic[T]):
    """The notes of one wrapper about the callbacks of one handler."""

    __slots__ = ("_lock", "_queued", "running")

    def __init__(self, lock: Any) -> None:
        #: The handler's lock: it is native and re-entrant, and free in a forked child.
        self._lock = lock
        self._queued: dict[int, deque[Note[T]]] = {}
        #: The notes of running callbacks that no wrapper has taken yet.
        self.running: dict[int, Note[T]] = {}

    def add(self, note: Note[T]) -> None:
        """Add the note of a dispatch that begins."""
        fresh = deque((note,))
        with self._lock:
            queued = self._queued.setdefault(id(note.callback), fresh)
            if queued is not fresh:
                queued.append(note)

    def discard(self, note: Note[T]) -> None:
        """Drop the note of a dispatch that failed."""
        key = id(note.callback)
        with self._lock:
            queued = self._queued.get(key)
            if queued is not None and note in queued:
                queued.remove(note)
                self._tidy_up(key, queued)

    def begin(self, callback: CallbackLike) -> None:
        """Move the oldest note of ``callback``, if it has one, to those of running callbacks."""
        key = id(callback)
        with self._lock:
            queued = self._queued.get(key)
            if queued:
                self.running[key] = queued.popleft()
                self._tidy_up(key, queued)

    def end(self, callback: CallbackLike) -> None:
        """Drop the note of a callback that has run."""
        self.running.pop(id(callback), None)

    def count(self) -> int:
        """Return how many callbacks have been dispatched and have not begun to run."""
        with self._lock:
            return sum(len(queued) for queued in list(self._queued.values()))

    def _tidy_up(self, key: int, queued: deque[Note[T]]) -> None:
        if not queued:
            removed = self._queued.pop(key, None)
            if removed:  # a signal handler dispatched the same object just now
                self._queued.setdefault(key, deque()).extend(removed)


class Note(Generic[T]):
    """The note of one dispatch, and the context manager around that dispatch.

    A note is equal to itself only.
    """

    __slots__ = ("_notes", "callback", "value")

    def __init__(self, notes: Notes[T], callback: CallbackLike, value: T) -> None:
        self._notes = notes
        self.callback = callback
        self.value = value

    def __enter__(self) -> None:
        try:
            self._notes.add(self)
        except BaseException:  # Ctrl-C after the note was added
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
