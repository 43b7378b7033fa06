"""``get_handler`` and ``list_handlers``: the functions that a program calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from handler_core.handler._handler import Handler
from handler_core.lookup._default_model import choose_entry
from handler_core.lookup._entry_points import HANDLERS, HandlerInfo, find_entry, list_entries
from handler_core.lookup._find_wrappers import add_wrappers, entries_in_environment
from handler_core.lookup._handler_class import new_handler

__all__ = ["get_handler", "list_handlers"]


def get_handler(name: str | None = None, *, wrappers: Sequence[object] = ()) -> Handler:
    """Return a new handler of the named concurrency model, not yet started.

    Only the plugin of that name is imported.

    Args:
        name: the model: ``"threading"``, ``"gevent"``, or any other that is installed. With None,
            the first of these names the model: the environment variable
            ``HANDLER_CORE_HANDLER``; the installed model that runs the caller
            (:meth:`Handler.is_active`; only plugins whose library is already imported are
            asked), and if several do, the innermost (:meth:`Handler.distance_to_caller`);
            ``"threading"``; the only model that is installed.
        wrappers: plugins to put around the hooks: objects, or names from the entry-point group
            ``handler_core.wrappers``. The first is outermost. The wrappers that the environment
            variable ``HANDLER_CORE_WRAPPERS`` names, separated by commas, come around them.
            A wrapper that is named twice is there once.

    Raises:
        HandlerNotFoundError: nothing of that name is installed.
        HandlerLoadError: importing the plugin failed, or making a wrapper.
        HandlerValidationError: the plugin does not implement the hooks, an object in
            ``wrappers`` is not a wrapper, or two distributions claim the name.
        TypeError: ``name`` is no string, or ``wrappers`` is one.
    """
    if isinstance(wrappers, (str, bytes)) or not isinstance(wrappers, Iterable):
        raise TypeError(f"wrappers is a list: write wrappers=[{wrappers!r}]")
    if name is None:
        entry, _ = choose_entry()
    elif isinstance(name, str):
        entry = find_entry(HANDLERS, name)
    else:
        raise TypeError(f"the name of a handler is a string, not {name!r}")
    handler = new_handler(entry)
    around = entries_in_environment()
    if around or wrappers:
        add_wrappers(handler, [*around, *wrappers])
    return handler


def list_handlers() -> list[HandlerInfo]:
    """Return the installed concurrency models, sorted by name, without importing any."""
    return list_entries(HANDLERS)
