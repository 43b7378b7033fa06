"""A context manager that blocks, for coroutines."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Generic, TypeVar

from handler_core_greenlet.strand import Strand

__all__ = ["Calling"]

T = TypeVar("T")


class Calling(Generic[T]):
    """A context manager that blocks, for ``async with``. It is entered and left in one greenlet."""

    def __init__(self, manager: AbstractContextManager[T], strand: Strand) -> None:
        self._manager = manager
        self._strand = strand

    async def __aenter__(self) -> T:
        try:
            value: T = await self._strand.call(self._manager.__enter__, last=False)
        except BaseException:
            if self._strand.succeeded:  # at the very moment of a cancellation
                await self.__aexit__(None, None, None)
            raise
        return value

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        leave = functools.partial(self._manager.__exit__, kind, value, traceback)
        suppressed: bool | None = await self._strand.call(leave, last=True)
        return suppressed
