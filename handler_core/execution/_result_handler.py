"""What a result needs of its handler, as a protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from handler_core.execution._mailbox import Mailbox, State
    from handler_core.execution._timeout import HandlerTimeoutError
    from handler_core.execution._waiter import Waiter

__all__ = ["ResultHandler"]


class ResultHandler(Protocol):
    """What a result needs of its handler."""

    _lock: Any
    _fence: Callable[[None], object]
    _unstarted: bool
    _completions: Mailbox
    _state: State
    keeps_context: ClassVar[bool]

    @property
    def timeout_exception(self) -> type[HandlerTimeoutError]:
        """What a wait raises when its time is over."""

    def new_waiter(self) -> Waiter:
        """Return a waiter with which the caller can park."""

    def _refuse_wait_under_lock(self) -> None:
        """Raise if this thread holds the handler's lock."""

    def _queue_links(self, result: Any, links: list[Callable[[Any], object]]) -> bool: ...

    def _call_links(self, result: Any, links: list[Callable[[Any], object]]) -> None: ...

    def _ensure_worker(self, mailbox: Mailbox) -> None: ...

    def _start_workers(self) -> None: ...
