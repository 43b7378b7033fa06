"""Wrappers: what is named, what it is, and how it comes around the hooks of a handler."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import pluggy
from importlib_metadata import EntryPoint

from handler_core.handler._handler import Handler
from handler_core.lookup._entry_points import (
    WRAPPERS,
    HandlerInfo,
    Origin,
    find_entry,
    list_entries,
)
from handler_core.lookup._exceptions import HandlerLoadError, HandlerValidationError
from handler_core.lookup._loading import load
from handler_core.lookup._validation import check_constructor, check_wrapper
from handler_core.lookup._wrapped_hooks import bind_wrappers

__all__ = [
    "WRAPPERS_VARIABLE",
    "get_wrapper",
    "list_wrappers",
    "wrap",
    "wrappers_of_the_environment",
]

#: Names the wrappers that an operator puts around every handler.
WRAPPERS_VARIABLE = "HANDLER_CORE_WRAPPERS"


def wrap(handler: Handler, wrappers: Sequence[object]) -> None:
    """Put the wrappers around the hooks of a new handler."""
    plugins = list(_resolve(wrappers))
    try:
        bind_wrappers(handler, plugins)
    except (pluggy.PluginValidationError, ValueError) as error:
        raise HandlerValidationError(f"cannot wrap {handler!r}: {error}") from error


def _resolve(wrappers: Sequence[object]) -> Iterator[object]:
    """Turn names into what they name, and check each wrapper.

    An operator may name what the program has named too, or has made in its own way. Both mean it
    to be there once: the one that the program has made, or else the first.
    """
    there = [wrapper for wrapper in wrappers if not isinstance(wrapper, (str, EntryPoint))]
    for wrapper in wrappers:
        plugin: object = wrapper
        origin: object = "a wrapper"
        if isinstance(wrapper, str):
            wrapper = find_entry(WRAPPERS, wrapper)
        if isinstance(wrapper, EntryPoint):
            plugin, origin = load(wrapper), Origin(wrapper)
            if any(each is plugin or _is_of(each, plugin) for each in there):
                continue
            there.append(plugin)
        if isinstance(plugin, type):
            plugin = _make(plugin, origin)
        check_wrapper(plugin, origin)
        yield plugin


def _is_of(wrapper: object, plugin: object) -> bool:
    """Return True if ``plugin`` is a class, and the wrapper an object or a subclass of it."""
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


def list_wrappers() -> list[HandlerInfo]:
    """Return the installed wrappers, sorted by name, without importing any."""
    return list_entries(WRAPPERS)


def get_wrapper(name: str) -> object:
    """Return a new wrapper of that name.

    Raises:
        HandlerNotFoundError: nothing of that name is installed.
        HandlerLoadError: importing the plugin failed.
        HandlerValidationError: it is no wrapper, or two distributions claim the name.
    """
    (wrapper,) = _resolve([name])
    return wrapper


def wrappers_of_the_environment() -> list[str]:
    """Return the names of the wrappers that the operator wants to be around each handler."""
    named = os.environ.get(WRAPPERS_VARIABLE, "")
    return [part.strip() for part in named.split(",") if part.strip()]
