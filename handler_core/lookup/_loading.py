"""From an entry point to the object that it names: a handler class, and a handler of it."""

from __future__ import annotations

from typing import Any

from importlib_metadata import EntryPoint

from handler_core.handler._handler import Handler
from handler_core.lookup._entry_points import Origin
from handler_core.lookup._exceptions import HandlerLoadError, HandlerValidationError
from handler_core.lookup._validation import check_handler_class

__all__ = ["load", "load_class", "new_handler"]

# The classes that were checked, by the name and the value of their entry points.
_classes: dict[tuple[str, str], type[Handler]] = {}


def load(entry: EntryPoint) -> Any:
    """Import what the entry point names."""
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        raise HandlerLoadError(
            f"{Origin(entry)} cannot be imported: {type(error).__name__}: {error}"
        ) from error


def load_class(entry: EntryPoint) -> type[Handler]:
    key = (entry.name, entry.value)
    cls = _classes.get(key)
    if cls is None:
        cls = _classes[key] = check_handler_class(load(entry), Origin(entry))
        if not hasattr(cls, "name"):
            cls.name = entry.name
    return cls


def new_handler(entry: EntryPoint) -> Handler:
    cls = load_class(entry)
    try:
        handler = cls()
    except Exception as error:
        error.add_note(f"(from {Origin(entry)})")
        raise
    if not hasattr(handler, "_lock"):
        raise HandlerValidationError(
            f"{Origin(entry)}: {cls.__qualname__}.__init__ must call super().__init__()"
        )
    return handler
