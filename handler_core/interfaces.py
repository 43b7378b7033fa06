"""The two interfaces of the user's document, as protocols that ``isinstance`` can check."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from handler_core.callback import CallbackLike
from handler_core.selecting import SelectLists

__all__ = ["IAsyncResult", "IHandler"]


@runtime_checkable
class IAsyncResult(Protocol):
    """The outcome of an operation, on its way. See :class:`handler_core.AsyncResult`."""

    def ready(self) -> bool:
        """Return True if there is an outcome."""

    def successful(self) -> bool:
        """Return True if there is a value."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the value or raise the exception, waiting ``timeout`` seconds at the most."""

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

    def select(self, *args: Any, **kwargs: Any) -> SelectLists:
        """Wait for sockets."""

    def callback_object(self) -> IAsyncResult:
        """Return a new, pending result."""

    def dispatch_callback(self, callback: CallbackLike) -> None:
        """Queue a callback to run."""
