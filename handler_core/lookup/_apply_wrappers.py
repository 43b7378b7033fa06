"""The hooks of one handler, with wrappers around them.

A wrapped hook becomes an attribute of that one handler, which calls through pluggy. The other hooks
stay the plain methods of the class. A handler without wrappers has no plugin manager.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import pluggy

from handler_core.execution._callback import CallbackLike
from handler_core.handler._handler import Handler
from handler_core.handler._hook_methods import ALIASES, HOOKS
from handler_core.hookspecs import PROJECT_NAME, HandlerSpec, hookimpl
from handler_core.network._select_signatures import accept_both_forms

__all__ = ["bind_wrappers"]


def bind_wrappers(handler: Handler, wrappers: Sequence[object]) -> None:
    """Put ``wrappers`` around the hooks of one handler; the first one is outermost.

    Raises:
        pluggy.PluginValidationError: a wrapper's hook is unknown, or is declared otherwise.
        ValueError: one wrapper is in the list twice.
    """
    manager = _Manager(PROJECT_NAME)
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
        # A note of a dispatch ends with the run of its callback, wrapped or not.
        run_callback = callers["run_callback"]
        handler._run_callback = functools.partial(_run_wrapped, run_callback, handler)
    wrapped.pop("run_callback", None)
    for name, caller in wrapped.items():
        through = _through_pluggy(caller, handler, name)
        setattr(handler, name, through)
        if name in ALIASES:
            setattr(handler, ALIASES[name], through)


# What each handler has besides its hooks.
_NO_HOOKS = frozenset(dir(Handler)) - set(HOOKS)


class _Manager(pluggy.PluginManager):
    """A plugin manager that knows which attributes of every handler are no hooks.

    pluggy looks at all attributes of what it registers. That was most of the time of making a
    wrapped handler.
    """

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        if name in _NO_HOOKS and isinstance(plugin, Handler):
            return None
        return super().parse_hookimpl_opts(plugin, name)


class _PlainRun:
    """The innermost ``run_callback``: it runs the callback."""

    @hookimpl
    def run_callback(self, handler: Handler, callback: CallbackLike) -> None:
        outcome = callback.func(*callback.args)
        if handler.finish_callback is not None:
            handler.finish_callback(outcome)


def _run_wrapped(caller: pluggy.HookCaller, handler: Handler, callback: CallbackLike) -> None:
    """Run a callback inside its wrappers.

    While it runs, each wrapper can take its note of the dispatch. A note that no wrapper has taken
    is dropped at the end.
    """
    notes = list(handler._notes.values())
    try:
        for each in notes:
            each.begin(callback)
        caller(handler=handler, callback=callback)
    finally:
        for each in notes:
            each.end(callback)


def _through_pluggy(caller: pluggy.HookCaller, handler: Handler, name: str) -> Callable[..., Any]:
    """Return the attribute that takes the place of the hook's method."""
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
