"""What a handler offers to coroutines, where its model runs on an event loop.

``get_handler`` returns a ``Handler`` for every model, and does not know which ones have a loop. So
these methods are part of every handler. A model without a loop raises from them, and the message
says what to write instead. The models of event loops override them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any, ClassVar, NoReturn, Self, TypeVar, overload

__all__ = ["ForCoroutines"]

T = TypeVar("T")


class ForCoroutines:
    """The methods of a handler that a coroutine calls.

    A model without an event loop inherits these, and each raises a ``TypeError``.
    """

    name: ClassVar[str]

    #: True if the model runs on an event loop, and has the methods below.
    has_event_loop: ClassVar[bool] = False

    @classmethod
    def run_loop(cls, main: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        """Run ``main(*args)`` in a new event loop of the model, in the library's own way.

        Returns:
            What ``main`` returns.

        Raises:
            TypeError: the model has no event loop.
        """
        cls._refuse("call the function")

    async def __aenter__(self) -> Self:
        """Start the handler in the loop that runs this coroutine."""
        self._refuse("write `with`, not `async with`")

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the handler, and let the loop run meanwhile."""
        self._refuse("write `with`, not `async with`")

    @overload
    async def call(
        self, func: Callable[..., Coroutine[Any, Any, T]], /, *args: Any, **kwargs: Any
    ) -> T: ...

    @overload
    async def call(self, func: Callable[..., T], /, *args: Any, **kwargs: Any) -> T: ...

    async def call(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function that blocks, and let the loop run while it waits."""
        self._refuse("call the function")

    def calling(self, manager: AbstractContextManager[T]) -> AbstractAsyncContextManager[T]:
        """Return a blocking context manager as one for ``async with``."""
        self._refuse("write `with`, not `async with`")

    def iterating(self, iterable: Iterable[T]) -> AsyncGenerator[T, None]:
        """Return the items of a blocking iterable, for ``async for``."""
        self._refuse("write `for`, not `async for`")

    @classmethod
    def _refuse(cls, instead: str) -> NoReturn:
        raise TypeError(
            f"the {cls.name} model has no event loop: {instead}. In a coroutine, take the handler "
            "of its loop, as get_handler() does"
        )
