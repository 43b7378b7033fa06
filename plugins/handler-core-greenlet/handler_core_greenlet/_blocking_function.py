"""A coroutine function, as a function that blocks until its coroutine has ended.

A library in blocking style calls what it is given, and drops what that returns. It would drop a
coroutine, which would never run. So ``handler.call`` and ``handler.spawn`` hand a coroutine
function on as a :class:`BlockingFunction`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, TypeAlias

__all__ = ["BlockingFunction", "blocking_call"]

#: A function that awaits a coroutine while the caller blocks.
Await: TypeAlias = Callable[[Coroutine[Any, Any, Any]], Any]


class BlockingFunction:
    """Calls a coroutine function, waits for its coroutine, and returns or raises what that does.

    It is equal to the coroutine function, so a list or set of callbacks finds the one by the other.
    It has the function's name and its other attributes. It is no coroutine function itself.
    """

    # How the standard library marks a coroutine function that is not one by its code.
    _is_coroutine = _is_coroutine_mark = None

    def __init__(self, func: Callable[..., Any], await_coroutine: Await) -> None:
        functools.update_wrapper(self, func, updated=())
        self.__wrapped__ = func
        self._await_coroutine = await_coroutine

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, and wait for what it returns.

        Raises:
            RuntimeError: the event loop itself has called this, and it may not wait.
        """
        outcome = self.__wrapped__(*args, **kwargs)
        return self._await_coroutine(outcome) if isinstance(outcome, Coroutine) else outcome

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # with the function's code it would pass for a coroutine function
            raise AttributeError(name)
        return getattr(self.__wrapped__, name)

    def __eq__(self, other: object) -> bool:
        return bool(
            self.__wrapped__
            == (other.__wrapped__ if isinstance(other, BlockingFunction) else other)
        )

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)


def blocking_call(
    func: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    await_coroutine: Await,
) -> Callable[[], Any]:
    """Return ``func(*args, **kwargs)`` as a function without arguments.

    Each of them that is a coroutine function, or a ``functools.partial`` with one, is handed on as
    a function that blocks.
    """

    def blocking(value: Any) -> Any:
        if not callable(value):
            return value
        if _is_coroutine_function(value):
            return BlockingFunction(value, await_coroutine)
        if type(value) is functools.partial:
            parts = value.func, *value.args, *value.keywords.values()
            if any(blocking(part) is not part for part in parts):
                return blocking_call(value.func, value.args, value.keywords, await_coroutine)
        return value

    if any(map(callable, args)) or any(map(callable, kwargs.values())):
        args = tuple(blocking(value) for value in args)
        kwargs = {name: blocking(value) for name, value in kwargs.items()}
    return functools.partial(func if _is_plain(func) else blocking(func), *args, **kwargs)


def _is_plain(func: Any) -> bool:
    """Return True for most functions that are no coroutine functions, and quickly."""
    kind = type(func)
    if kind is MethodType:
        func = func.__func__
        kind = type(func)
    if kind is not FunctionType:
        return kind is BuiltinFunctionType
    return not func.__dict__ and not func.__code__.co_flags & inspect.CO_COROUTINE


def _is_coroutine_function(func: Any) -> bool:
    if inspect.iscoroutinefunction(func):
        return True
    return not isinstance(func, type) and inspect.iscoroutinefunction(type(func).__call__)
