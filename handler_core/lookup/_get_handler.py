"""``get_handler`` and ``list_handlers``: what a program calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from handler_core.handler._handler import Handler
from handler_core.lookup._choice import chosen_entry
from handler_core.lookup._entry_points import (
    HANDLERS,
    WRAPPERS,
    HandlerInfo,
    find_entry,
    list_entries,
)
from handler_core.lookup._loading import new_handler
from handler_core.lookup._wrappers import WRAPPERS_VARIABLE, wrap, wrappers_of_the_environment

__all__ = ["get_handler", "list_handlers"]


def get_handler(name: str | None = None, *, wrappers: Sequence[object] = ()) -> Handler:
    """Return a new handler, not yet started, of the named concurrency model.

    Only the plugin of that name is imported.

    Args:
        name: the model: ``"threading"``, ``"gevent"``, whatever is installed. None takes the
            environment variable ``HANDLER_CORE_HANDLER``, or else the installed model that runs
            the caller (:meth:`Handler.is_active`, asked only of plugins whose library is
            imported already), or else ``"threading"``.
        wrappers: plugins to put around the hooks: objects, or names from the entry-point group
            ``handler_core.wrappers``. The first is outermost. Those that the environment
            variable ``HANDLER_CORE_WRAPPERS`` names, separated by commas, come around them.
            What is named twice is there once.

    Raises:
        HandlerNotFoundError: nothing of that name is installed.
        HandlerLoadError: importing the plugin failed, or making a wrapper.
        HandlerValidationError: the plugin does not implement the hooks, a wrapper is none, or
            two distributions claim the name.
        TypeError: ``name`` is no string, or ``wrappers`` is one.
    """
    if isinstance(wrappers, (str, bytes)) or not isinstance(wrappers, Iterable):
        raise TypeError(f"wrappers is a list: write wrappers=[{wrappers!r}]")
    if name is None:
        entry, _ = chosen_entry()
    elif isinstance(name, str):
        entry = find_entry(HANDLERS, name)
    else:
        raise TypeError(f"the name of a handler is a string, not {name!r}")
    handler = new_handler(entry)
    named = wrappers_of_the_environment()
    if named or wrappers:
        wrap(
            handler, [*(find_entry(WRAPPERS, each, WRAPPERS_VARIABLE) for each in named), *wrappers]
        )
    return handler


def list_handlers() -> list[HandlerInfo]:
    """Return the installed concurrency models, sorted by name, without importing any."""
    return list_entries(HANDLERS)
