"""What a handler offers to coroutines, where its model runs on an event loop.

``get_handler`` returns a ``Handler`` for every model, and does not know which ones have a loop. So
these methods are part of every handler. A model without a loop raises from them, and the message
says what to write instead. The models of event loops override them.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any, ClassVar, NoReturn, Self, TypeVar

__all__ = ["ForCoroutines"]

T = TypeVar("T")


class ForCoroutines:
    """The methods of a handler that a coroutine calls.

    A model without an event loop inherits these, and each raises a ``TypeError``.
    """

    name: ClassVar[str]

    #: Runs a coroutine function with arguments in a new event loop of the model, and returns what
    #: that returns. It is the library's own way, as ``asyncio.run``. None if the model has no loop.
    run_loop: ClassVar[Callable[..., Any] | None] = None

    async def __aenter__(self) -> Self:
        """Start the handler in the loop that runs this coroutine."""
        self._refuse("with handler:")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the handler, and let the loop run meanwhile."""
        self._refuse("with handler:")

    async def call(self, func: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Call a function that blocks, and let the loop run while it waits."""
        self._refuse("func(...)")

    def calling(self, manager: AbstractContextManager[T]) -> AbstractAsyncContextManager[T]:
        """Return a blocking context manager as one for ``async with``."""
        self._refuse("with manager:")

    def _refuse(self, instead: str) -> NoReturn:
        raise TypeError(
            f"the {self.name} model has no event loop to await it: write `{instead}`, or take the "
            "handler of your loop, as get_handler() does in a coroutine"
        )
