"""A blocking context manager, for ``async with``."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Generic, TypeVar

from handler_core_greenlet._call_greenlet import CallGreenlet

__all__ = ["AsyncContext"]

T = TypeVar("T")


class AsyncContext(Generic[T]):
    """Enters and leaves a blocking context manager, both in one greenlet.

    A cancellation does not keep it from being left: it is raised afterwards.
    :meth:`LoopHandler.calling` returns it.
    """

    def __init__(self, manager: AbstractContextManager[T], greenlet: CallGreenlet) -> None:
        self._manager = manager
        self._greenlet = greenlet
        self._is_entered = False

    async def __aenter__(self) -> T:
        if self._is_entered:  # the greenlet has ended, or waits to leave
            raise RuntimeError("this was entered already: call `calling(...)` once more")
        self._is_entered = True
        try:
            value: T = await self._greenlet.call(self._manager.__enter__, last=False)
        except BaseException:
            if self._greenlet.succeeded:  # at the very moment of a cancellation
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
        suppressed: bool | None = await self._greenlet.call(leave, last=True, shielded=True)
        return suppressed
