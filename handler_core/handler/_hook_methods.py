"""From a hook to a method: the code that a call such as ``handler.select(...)`` runs.

A hook without wrappers is the plain method of the handler class. There is no plugin manager behind
it, because a program makes thousands of handlers, and calls ``dispatch_callback`` and
``async_result`` millions of times.

Two things make a hook implementation differ from the method. ``select`` has a second public form,
and an implementation may declare the spec's parameter ``handler``. For these the class gets a
method around the implementation, once, when the class is created.

A wrapped hook becomes an attribute of one handler, and calls through pluggy: see
``handler_core.lookup._apply_wrappers``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar, cast

from handler_core.hookspecs import PROJECT_NAME, HandlerSpec, hookimpl
from handler_core.network._select_signatures import accept_both_forms

__all__ = [
    "ALIASES",
    "HANDLER_HOOKS",
    "HOOKS",
    "bind_hooks",
    "inherit_hook",
    "marker_of",
]

M = TypeVar("M", bound=Callable[..., Any])

#: Each hook's parameters, in the spec's order, without ``self`` and ``handler``.
HOOKS: dict[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(function).parameters)[2:]
    for name, function in vars(HandlerSpec).items()
    if isinstance(function, FunctionType)
}

#: The hooks that every handler class implements.
HANDLER_HOOKS = tuple(name for name in HOOKS if name != "run_callback")

# One string object for all look-ups. CPython's method cache keeps each name that it is asked for.
_MARKER = f"{PROJECT_NAME}_impl"

#: The second name of a hook, for the hook that has one.
ALIASES = {"callback_object": "async_result"}


def marker_of(function: object) -> dict[str, Any] | None:
    """Return the options of ``@hookimpl`` on a function, or None if it is not marked."""
    options = getattr(function, _MARKER, None)
    return options if isinstance(options, dict) else None


def inherit_hook(method: M) -> M:
    """Return a base class's method as the implementation of a hook.

    A handler class that has nothing to add writes ``stop = inherit_hook(Handler.stop)``. A marked
    method that calls ``super().stop()`` does the same, and costs each call one more frame.
    """
    return cast(M, hookimpl(_copy(method)))


def bind_hooks(cls: type) -> None:
    """Make the hooks that a handler class defines itself callable as plain methods."""
    for name in HANDLER_HOOKS:
        function = vars(cls).get(name)
        if not isinstance(function, FunctionType) or marker_of(function) is None:
            continue
        method: Callable[..., Any] = function
        declares_handler = "handler" in inspect.signature(function).parameters
        if declares_handler:
            method = _filling_in_handler(method)
        if name == "select":
            method = accept_both_forms(method)
        if declares_handler:
            method = _leaving_out_handler(method, len(HOOKS[name]))
        if method is not function:
            setattr(cls, name, method)
        if name in ALIASES:
            # A copy without the marker, or pluggy would take it for a hook of that name.
            setattr(cls, ALIASES[name], _copy(method))


def _copy(function: Any) -> FunctionType:
    """Copy a function, without its marker."""
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    functools.update_wrapper(copy, function, updated=())
    del copy.__wrapped__  # type: ignore[attr-defined]
    return copy


def _filling_in_handler(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that passes its ``self`` as ``handler`` too."""

    @functools.wraps(function)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return function(self, self, *args, **kwargs)

    return method


def _leaving_out_handler(method: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Return a method that pluggy can call too: with ``handler``, and then ``count`` arguments."""

    @functools.wraps(method)
    def for_pluggy_too(self: Any, *args: Any, **kwargs: Any) -> Any:
        if len(args) > count and args[0] is self:
            args = args[1:]
        return method(self, *args, **kwargs)

    return for_pluggy_too
