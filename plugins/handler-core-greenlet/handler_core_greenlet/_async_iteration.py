"""A blocking iterator, for ``async for``."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator
from typing import Any, TypeVar

from handler_core_greenlet._call_greenlet import CallGreenlet

__all__ = ["checked_iterable", "iterate"]

T = TypeVar("T")


class _Ended(Exception):
    """There is no further item. A ``StopIteration`` may not leave a coroutine."""


def checked_iterable(iterable: Iterable[T]) -> Iterable[T]:
    """Return an iterable.

    Raises:
        TypeError: it is none, or an asynchronous one.
    """
    kind = type(iterable)
    if hasattr(kind, "__iter__") or hasattr(kind, "__getitem__"):
        return iterable
    if hasattr(kind, "__aiter__"):
        raise TypeError(
            f"iterating() takes an iterable that blocks, and {iterable!r} is asynchronous: write "
            "`async for` without iterating()"
        )
    raise TypeError(f"iterating() takes an iterable, not {iterable!r}")


async def iterate(iterable: Iterable[T], greenlet: CallGreenlet) -> AsyncGenerator[T, None]:
    """Yield the items of ``iterable``. All that blocks is called in one greenlet.

    It is called in the task that awaits the item. A cancellation of the task is raised where the
    iterator waits.
    """
    iterator: Any = None
    try:
        iterator = await greenlet.call(functools.partial(iter, iterable), last=False)
        while True:
            yield await greenlet.call(functools.partial(_next, iterator), last=False)
    except _Ended:
        return
    finally:
        # If the last call has raised, the greenlet has ended, and a generator is closed.
        if greenlet.succeeded:
            close = functools.partial(_close, iterator)
            await greenlet.call(close, last=True, shielded=True)


def _next(iterator: Iterator[T]) -> T:
    try:
        return next(iterator)
    except StopIteration:
        raise _Ended from None


def _close(iterator: Any) -> None:
    if isinstance(iterator, Generator):
        iterator.close()
