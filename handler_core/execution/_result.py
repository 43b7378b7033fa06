"""``AsyncResult``, as a client sees it."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from handler_core.execution._result_core import ResultCore

try:
    from handler_core.execution._quick_construction import construct_quickly
except ImportError:  # the Python source runs
    construct_quickly = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from handler_core.execution._result_handler import ResultHandler

__all__ = ["AsyncResult"]

T = TypeVar("T")


class AsyncResult(ResultCore, Generic[T]):
    """A value or an exception that is set once it is known, from any thread.

    All methods are safe from any OS thread, in every concurrency model. A second ``set`` or
    ``set_exception`` replaces the outcome and calls no callback again, as in kazoo and gevent.

    Args:
        handler: its workers run the linked callbacks, and callers wait in its way. Without a
            handler, a linked callback runs at once in the setter, and a wait blocks the thread.
    """

    __slots__ = ()

    #: The handler of a result that was made without one. It is never started. The subclass of a
    #: plugin names a handler of its model here.
    detached: ClassVar[ResultHandler]

    def __init_subclass__(cls, **options: Any) -> None:
        """Have a compiled build make objects of this class by a shorter way."""
        super().__init_subclass__(**options)
        if construct_quickly is not None:
            construct_quickly(cls)

    if TYPE_CHECKING:  # a compiled class has no type parameters

        @property
        def value(self) -> T | None: ...

        def get(self, block: bool = True, timeout: float | None = None) -> T: ...

        def get_nowait(self) -> T: ...

        def set(self, value: T | None = None) -> None: ...

        # Only the results of event loops have it, and no type says which ones these are.
        def __await__(self) -> Generator[Any, None, T]: ...


if construct_quickly is not None:
    construct_quickly(AsyncResult)
