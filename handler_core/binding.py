"""From hook to method: what a call such as ``handler.select(...)`` really runs.

A hook that nobody wraps is the class's own plain method, with no plugin manager behind it:
handlers are made by the thousand, and ``dispatch_callback`` and ``async_result`` are called by the
million. Where the plain method would not do as a method (``select`` has a second public form; an
implementation may declare the spec's ``handler``), the class gets a method around it, once, when
it is created. A hook that is wrapped becomes an attribute of that one handler, which goes
through pluggy.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pluggy

from handler_core.hookspecs import PROJECT_NAME, HandlerSpec, hookimpl
from handler_core.selecting import accept_both_forms

if TYPE_CHECKING:
    from handler_core.callback import CallbackLike
    from handler_core.handler import Handler

__all__ = [
    "HOOKS",
    "HOOKS_OF_A_HANDLER",
    "bind_hooks",
    "bind_wrappers",
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

#: Those that every handler class implements.
HOOKS_OF_A_HANDLER = tuple(name for name in HOOKS if name != "run_callback")

# One string for all look-ups: CPython's cache of methods keeps each name that it is asked for.
_MARKER = f"{PROJECT_NAME}_impl"

#: Under which other name a handler offers a hook.
_ALIASES = {"callback_object": "async_result"}


def marker_of(function: object) -> dict[str, Any] | None:
    """Return the options of ``@hookimpl`` on a function, None if it is not marked."""
    options = getattr(function, _MARKER, None)
    return options if isinstance(options, dict) else None


def inherit_hook(method: M) -> M:
    """Return a base class's method as the implementation of a hook.

    A handler class that has nothing to add writes ``stop = inherit_hook(Handler.stop)``, where a
    marked method that calls ``super().stop()`` would cost each call two frames.
    """
    return cast(M, hookimpl(_copy(method)))


def bind_hooks(cls: type) -> None:
    """Make plain, callable methods of the hooks that a handler class defines itself."""
    for name in HOOKS_OF_A_HANDLER:
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
        if name in _ALIASES:
            # Without its marker: pluggy would take it for a hook of that name.
            setattr(cls, _ALIASES[name], _copy(method))


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
    """Return a method that passes itself on as ``handler``."""

    @functools.wraps(function)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return function(self, self, *args, **kwargs)

    return method


def _leaving_out_handler(method: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Return a method that pluggy can call too, which passes ``handler`` and ``count`` others."""

    @functools.wraps(method)
    def for_pluggy_too(self: Any, *args: Any, **kwargs: Any) -> Any:
        if len(args) > count and args[0] is self:
            args = args[1:]
        return method(self, *args, **kwargs)

    return for_pluggy_too


class _PlainRun:
    """What ``run_callback`` is without its wrappers."""

    @hookimpl
    def run_callback(self, handler: Handler, callback: CallbackLike) -> None:
        outcome = callback.func(*callback.args)
        if handler.finish_callback is not None:
            handler.finish_callback(outcome)


def bind_wrappers(handler: Handler, wrappers: Sequence[object]) -> None:
    """Put ``wrappers`` around the hooks of one handler; the first one is outermost.

    Raises:
        pluggy.PluginValidationError: a wrapper's hook is not in the spec, or declared otherwise.
    """
    manager = pluggy.PluginManager(PROJECT_NAME)
    manager.add_hookspecs(HandlerSpec)
    manager.register(handler)
    manager.register(_PlainRun())
    for wrapper in reversed(wrappers):  # pluggy calls what was registered last first
        manager.register(wrapper)
    manager.check_pending()
    callers = {name: getattr(manager.hook, name) for name in HOOKS}
    wrapped = {
        name: caller
        for name, caller in callers.items()
        if any(implementation.wrapper for implementation in caller.get_hookimpls())
    }
    if "run_callback" in wrapped or "dispatch_callback" in wrapped:
        # What is remembered at the dispatch ends with the run, whether or not that is wrapped.
        run_callback = callers["run_callback"]
        handler._run_callback = functools.partial(_call, run_callback, handler)
    wrapped.pop("run_callback", None)
    for name, caller in wrapped.items():
        through = _through_pluggy(caller, handler, name)
        setattr(handler, name, through)
        if name in _ALIASES:
            setattr(handler, _ALIASES[name], through)


def _call(caller: pluggy.HookCaller, handler: Handler, callback: CallbackLike) -> None:
    """Run a callback inside of its wrappers, and what they remember of it inside of all of them."""
    notes = list(handler._notes.values())
    try:
        for each in notes:
            each.begin(callback)
        caller(handler=handler, callback=callback)
    finally:
        for each in notes:
            each.end(callback)


def _through_pluggy(caller: pluggy.HookCaller, handler: Handler, name: str) -> Callable[..., Any]:
    parameters = HOOKS[name]
    first_result = name in ("select", "callback_object")

    def call(self: Handler, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(parameters, args, strict=False)) | kwargs
        if len(args) + len(kwargs) != len(parameters) or set(given) != set(parameters):
            raise TypeError(f"{name}() takes the arguments ({', '.join(parameters)})")
        outcome = caller(handler=self, **given)
        return outcome if first_result else None

    call.__name__ = name
    if name == "select":
        return functools.partial(accept_both_forms(call), handler)
    return functools.partial(call, handler)
