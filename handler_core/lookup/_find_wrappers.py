"""From a name to a wrapper: find, make and check the wrappers of a handler."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import pluggy
from importlib_metadata import EntryPoint

from handler_core.handler._handler import Handler
from handler_core.lookup._apply_wrappers import bind_wrappers
from handler_core.lookup._entry_points import (
    WRAPPERS,
    HandlerInfo,
    find_entry,
    list_entries,
    load_entry,
)
from handler_core.lookup._exceptions import HandlerLoadError, HandlerValidationError
from handler_core.lookup._plugin_origin import PluginOrigin
from handler_core.lookup._validation import check_constructor, check_wrapper

__all__ = [
    "WRAPPERS_VARIABLE",
    "add_wrappers",
    "entries_in_environment",
    "get_wrapper",
    "list_wrappers",
    "wrappers_of_the_environment",
]

#: The environment variable that names wrappers for every handler.
WRAPPERS_VARIABLE = "HANDLER_CORE_WRAPPERS"


def add_wrappers(handler: Handler, wrappers: Sequence[object]) -> None:
    """Put wrappers around the hooks of a new handler; the first one is outermost.

    Args:
        handler: the handler, which has no wrappers yet.
        wrappers: objects, classes, names and entry points.

    Raises:
        HandlerNotFoundError: nothing of that name is installed.
        HandlerLoadError: a wrapper cannot be imported or made.
        HandlerValidationError: one is no wrapper, or is there twice, or two distributions claim
            its name.
    """
    plugins = list(_resolve(wrappers))
    try:
        bind_wrappers(handler, plugins)
    except (pluggy.PluginValidationError, ValueError) as error:
        raise HandlerValidationError(f"cannot wrap {handler!r}: {error}") from error


def get_wrapper(name: str) -> object:
    """Return a new wrapper of that name.

    Raises:
        HandlerNotFoundError: nothing of that name is installed.
        HandlerLoadError: importing the plugin failed, or making the wrapper.
        HandlerValidationError: it is no wrapper, or two distributions claim the name.
    """
    (wrapper,) = _resolve([name])
    return wrapper


def list_wrappers() -> list[HandlerInfo]:
    """Return the installed wrappers, sorted by name, without importing any."""
    return list_entries(WRAPPERS)


def wrappers_of_the_environment() -> list[str]:
    """Return the names of the wrappers that the environment variable asks for."""
    named = os.environ.get(WRAPPERS_VARIABLE, "")
    return [part.strip() for part in named.split(",") if part.strip()]


def entries_in_environment() -> list[EntryPoint]:
    """Return the entry points of the wrappers that the environment variable asks for.

    Raises:
        HandlerNotFoundError: nothing of that name is installed. The message names the variable.
        HandlerValidationError: two distributions claim a name.
    """
    return [find_entry(WRAPPERS, name, WRAPPERS_VARIABLE) for name in wrappers_of_the_environment()]


def _resolve(wrappers: Sequence[object]) -> Iterator[object]:
    """Yield the wrapper objects, and check each.

    The environment and the program may both ask for one wrapper, and the program may have made it
    in a way of its own. Such a wrapper is there once: the program's own object or class, or else
    the first name.
    """
    known = [wrapper for wrapper in wrappers if not isinstance(wrapper, (str, EntryPoint))]
    for wrapper in wrappers:
        plugin: object = wrapper
        origin: object = "a wrapper"
        if isinstance(wrapper, str):
            wrapper = find_entry(WRAPPERS, wrapper)
        if isinstance(wrapper, EntryPoint):
            plugin, origin = load_entry(wrapper), PluginOrigin(wrapper)
            if any(each is plugin or _is_made_of(plugin, each) for each in known):
                continue
            known.append(plugin)
        if isinstance(plugin, type):
            plugin = _make(plugin, origin)
        check_wrapper(plugin, origin)
        yield plugin


def _is_made_of(plugin: object, wrapper: object) -> bool:
    """Return True if ``plugin`` is a class, and ``wrapper`` a subclass or an object of it."""
    if not isinstance(plugin, type):
        return False
    return issubclass(wrapper if isinstance(wrapper, type) else type(wrapper), plugin)


def _make(cls: type, origin: object) -> object:
    check_constructor(cls, origin)
    try:
        return cls()
    except (Exception, SystemExit) as error:
        raise HandlerLoadError(
            f"{origin}: the wrapper {cls.__qualname__} cannot be made: "
            f"{type(error).__name__}: {error}"
        ) from error
