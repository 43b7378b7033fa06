"""From an entry point to a handler class, and from the class to a handler."""

from __future__ import annotations

from importlib_metadata import EntryPoint

from handler_core.handler._handler import Handler
from handler_core.lookup._entry_points import load_entry
from handler_core.lookup._exceptions import HandlerValidationError
from handler_core.lookup._plugin_origin import PluginOrigin
from handler_core.lookup._validation import check_handler_class

__all__ = ["load_handler_class", "new_handler"]

#: The classes that were checked, by the name and the value of their entry points.
_classes: dict[tuple[str, str], type[Handler]] = {}


def load_handler_class(entry: EntryPoint) -> type[Handler]:
    """Return the handler class of an entry point; import and check it the first time.

    Raises:
        HandlerLoadError: importing the plugin failed.
        HandlerValidationError: the class does not implement the hooks.
    """
    key = (entry.name, entry.value)
    cls = _classes.get(key)
    if cls is None:
        cls = _classes[key] = check_handler_class(load_entry(entry), PluginOrigin(entry))
        if not hasattr(cls, "name"):
            cls.name = entry.name
    return cls


def new_handler(entry: EntryPoint) -> Handler:
    """Return a new handler of the entry point's class, not yet started.

    Raises:
        HandlerLoadError: importing the plugin failed.
        HandlerValidationError: the class does not implement the hooks, or its ``__init__`` does
            not call that of its base class.
    """
    cls = load_handler_class(entry)
    try:
        handler = cls()
    except Exception as error:
        error.add_note(f"(from {PluginOrigin(entry)})")
        raise
    if getattr(handler, "_lock", None) is None:
        raise HandlerValidationError(
            f"{PluginOrigin(entry)}: {cls.__qualname__}.__init__ must call super().__init__()"
        )
    return handler
