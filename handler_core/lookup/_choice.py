"""Which model a program gets that names none."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection

from importlib_metadata import EntryPoint

from handler_core.execution._logger import logger
from handler_core.lookup._entry_points import HANDLERS, Origin, entries_by_name, find_entry
from handler_core.lookup._exceptions import HandlerLoadError, HandlerValidationError
from handler_core.lookup._loading import load_class
from handler_core.lookup._suggestions import DEFAULT

__all__ = ["candidates", "choice", "chosen_entry"]

_HANDLER_VARIABLE = "HANDLER_CORE_HANDLER"


def candidates() -> list[str]:
    """Return the models that may run the caller: their libraries are imported.

    Threads run every caller, and are what is left.
    """
    return [
        name
        for name in sorted(entries_by_name(HANDLERS))
        if name in sys.modules and name != DEFAULT
    ]


def choice(passing_over: Collection[str] = ()) -> tuple[str, str]:
    """Return the name of the model that ``get_handler()`` takes here, and why, in words.

    Args:
        passing_over: models that are not to be asked, for they are known to be broken.

    Raises:
        HandlerNotFoundError: it would find none.
        HandlerValidationError: two distributions claim the name.
    """
    entry, reason = chosen_entry(passing_over)
    return entry.name, reason


def chosen_entry(passing_over: Collection[str] = ()) -> tuple[EntryPoint, str]:
    """Return the plugin to use where the caller named none, and why."""
    name = os.environ.get(_HANDLER_VARIABLE)
    if name:
        entry = find_entry(HANDLERS, name, _HANDLER_VARIABLE)
        return entry, f"the variable {_HANDLER_VARIABLE} says so"
    for candidate in candidates():
        if candidate in passing_over:
            continue
        # Nobody asked for it by name, and it must not be what breaks this program.
        try:
            entry = find_entry(HANDLERS, candidate)
            cls = load_class(entry)
        except (HandlerLoadError, HandlerValidationError) as error:
            logger().warning("passing over a broken plugin: %s", error)
            continue
        try:
            active = cls.is_active()
        except (Exception, SystemExit):
            logger().warning("passing over %s: is_active() failed", Origin(entry), exc_info=True)
            continue
        if active:
            return entry, "it runs the caller"
    return find_entry(
        HANDLERS, DEFAULT
    ), "no installed model runs the caller, and it is the default"
