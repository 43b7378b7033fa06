"""Decorators that make what a function returns or raises the outcome of a result."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

__all__ = ["capture_exceptions", "wrap"]

P = ParamSpec("P")
R = TypeVar("R")


class _Settable(Protocol):
    def set(self, value: Any = None) -> None: ...

    def set_exception(self, exception: BaseException) -> None: ...


def capture_exceptions(
    async_object: _Settable,
) -> Callable[[Callable[P, R]], Callable[P, R | None]]:
    """Return a decorator: an exception of the function becomes the outcome of the result.

    The decorated function returns what the function returns, or None if it raises. Only an
    ``Exception`` is captured. ``KeyboardInterrupt``, ``SystemExit`` and the kill exceptions of
    green threads concern the caller, and are raised to it.

    Args:
        async_object: the result, see :class:`handler_core.AsyncResult`.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R | None]:
        @functools.wraps(function)
        def captured(*args: P.args, **kwargs: P.kwargs) -> R | None:
            try:
                return function(*args, **kwargs)
            except Exception as exception:
                async_object.set_exception(exception)
                return None

        return captured

    return decorate


def wrap(async_object: _Settable) -> Callable[[Callable[P, R]], Callable[P, R | None]]:
    """Return a decorator: what the function returns or raises becomes the result's outcome.

    A return value of None sets nothing. Clients rely on that: a completion callback that starts a
    further request returns None, and a later callback sets the result.

    Args:
        async_object: the result, see :class:`handler_core.AsyncResult`.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R | None]:
        @capture_exceptions(async_object)
        @functools.wraps(function)
        def settling(*args: P.args, **kwargs: P.kwargs) -> R:
            value = function(*args, **kwargs)
            if value is not None:
                async_object.set(value)
            return value

        return settling

    return decorate
