"""A client from its ``start`` to its ``close``, for ``with`` and for ``async with``."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Generic, TypeVar

__all__ = ["ClientLife"]

C = TypeVar("C")


class ClientLife(Generic[C]):
    """Starts a client, and stops and closes it. :meth:`handler_core.Handler.started` returns it.

    In ``async with``, the blocking methods of the client run by ``calling``, so the loop goes on.

    Args:
        client: it may have ``stop``, ``close``, or both.
        start: starts it.
        calling: the method of the client's handler.
    """

    def __init__(
        self,
        client: C,
        start: Callable[[], object],
        calling: Callable[[AbstractContextManager[C]], AbstractAsyncContextManager[C]],
    ) -> None:
        self._stop: Callable[[], object] = getattr(client, "stop", _do_nothing)
        self._close: Callable[[], object] = getattr(client, "close", _do_nothing)
        self._client = client
        self._start = start
        self._calling = calling

    def __enter__(self) -> C:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self._client

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    async def __aenter__(self) -> C:
        self._entered = self._calling(self)
        return await self._entered.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._entered.__aexit__(kind, value, traceback)

    def _end(self) -> None:
        try:
            self._stop()
        finally:
            self._close()


def _do_nothing() -> None:
    pass
