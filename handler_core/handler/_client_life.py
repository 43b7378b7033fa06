"""A client from its ``start`` to its ``close``, for ``with`` and for ``async with``."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

__all__ = ["ClientLife"]

C = TypeVar("C")


class ClientLife(Generic[C]):
    """Starts a client, and stops and closes it. :meth:`handler_core.Handler.started` returns it.

    In ``async with``, the blocking methods of the client run by ``calling``, so the loop goes on.
    Once it was left, it may be entered again.

    Args:
        client: it has ``start``, and ``stop`` or ``close`` or both.
        args: for ``start``.
        kwargs: for ``start``.
        calling: the method of the client's handler.

    Raises:
        TypeError: the client has no such methods, or they are coroutine functions.
    """

    def __init__(
        self,
        client: C,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        calling: Callable[[AbstractContextManager[C]], AbstractAsyncContextManager[C]],
    ) -> None:
        start, *ends = (getattr(client, name, None) for name in ("start", "stop", "close"))
        self._ends: list[Callable[[], object]] = [end for end in ends if callable(end)]
        if not callable(start) or not self._ends or isinstance(client, type):
            raise TypeError(
                f"started() takes a client with start(), and stop() or close(), not {client!r}"
            )
        if inspect.iscoroutinefunction(start):
            raise TypeError(
                "started() is for a client whose methods block, and start() is a coroutine "
                f"function: await it, for {client!r}"
            )
        self._client = client
        self._start: Callable[..., object] = start
        self._args, self._kwargs = args, kwargs
        self._calling = calling
        self._is_entered = False
        # What leaves it again: a context manager for `with` or for `async with`.
        self._life: Any = None

    def __enter__(self) -> C:
        life = self._new_life()
        client = life.__enter__()
        self._life = life
        return client

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        life, self._life = self._life, None
        life.__exit__(kind, value, traceback)

    async def __aenter__(self) -> C:
        life = self._calling(self._new_life())
        client = await life.__aenter__()
        self._life = life
        return client

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        life, self._life = self._life, None
        await life.__aexit__(kind, value, traceback)

    @contextlib.contextmanager
    def _new_life(self) -> Iterator[C]:
        if self._is_entered:
            raise RuntimeError(f"this has started {self._client!r} already, and not ended it")
        self._is_entered = True
        try:
            self._begin()
            try:
                yield self._client
            finally:
                self._end()
        finally:
            self._is_entered = False

    def _begin(self) -> None:
        try:
            self._start(*self._args, **self._kwargs)
        except BaseException as error:
            try:
                self._end()
            except Exception as failure:
                error.add_note(f"The client did not end well after that: {failure!r}")
            raise

    def _end(self) -> None:
        with contextlib.ExitStack() as stack:  # it calls all, even if one of them raises
            for end in reversed(self._ends):
                stack.callback(end)
