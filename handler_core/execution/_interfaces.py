"""What tasks, locks, results and handlers can do, as protocols."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol, runtime_checkable

from handler_core.execution._callback import CallbackLike

__all__ = ["IAsyncResult", "IHandler", "LockLike", "Task"]


class Task(Protocol):
    """What ``spawn`` returns."""

    def join(self, timeout: float | None = None) -> object:
        """Wait until the task has ended, for ``timeout`` seconds at the most."""

    def is_alive(self) -> bool:
        """Return True while the task has not ended."""


class LockLike(Protocol):
    """A lock with the methods of ``threading.Lock``."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock; ``timeout`` in seconds, -1 waits for ever."""

    def release(self) -> None:
        """Give the lock back."""

    def __enter__(self) -> bool: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@runtime_checkable
class IAsyncResult(Protocol):
    """The outcome of an operation that has not ended yet. See :class:`handler_core.AsyncResult`."""

    def ready(self) -> bool:
        """Return True if there is an outcome."""

    def successful(self) -> bool:
        """Return True if there is a value."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the value or raise the exception. Wait ``timeout`` seconds at the most."""

    def get_nowait(self) -> Any:
        """Return the value or raise the exception, without waiting."""

    def set(self, value: Any = None) -> None:
        """Make a value the outcome."""

    def set_exception(self, exception: BaseException) -> None:
        """Make an exception the outcome."""


@runtime_checkable
class IHandler(Protocol):
    """Runs callbacks, makes results, selects. See :class:`handler_core.Handler`."""

    def start(self) -> None:
        """Begin to run callbacks."""

    def stop(self) -> None:
        """Run what was dispatched, then end."""

    def select(self, *args: Any, **kwargs: Any) -> tuple[list[Any], list[Any], list[Any]]:
        """Wait for sockets."""

    def callback_object(self) -> IAsyncResult:
        """Return a new, pending result."""

    def dispatch_callback(self, callback: CallbackLike) -> None:
        """Queue a callback to run."""
