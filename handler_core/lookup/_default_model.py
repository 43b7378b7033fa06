"""The choice of a model for a program that names none."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Collection, Iterable

from importlib_metadata import EntryPoint

from handler_core.execution._logger import logger
from handler_core.lookup._entry_points import HANDLERS, entries_by_name, find_entry
from handler_core.lookup._exceptions import (
    HandlerLoadError,
    HandlerNotFoundError,
    HandlerValidationError,
)
from handler_core.lookup._handler_class import load_handler_class
from handler_core.lookup._plugin_origin import PluginOrigin
from handler_core.lookup._suggestions import DEFAULT_MODEL, none_named

__all__ = ["candidates", "choose_entry", "choose_model"]

_HANDLER_VARIABLE = "HANDLER_CORE_HANDLER"


def choose_model(excluded: Collection[str] = ()) -> tuple[str, str]:
    """Return the name of the model that ``get_handler()`` takes here, and the reason in words.

    Args:
        excluded: models that are not asked, because they are known to be broken.

    Raises:
        HandlerNotFoundError: no model of that name is installed.
        HandlerValidationError: two distributions claim the name.
    """
    entry, reason = choose_entry(excluded)
    return entry.name, reason


def choose_entry(excluded: Collection[str] = ()) -> tuple[EntryPoint, str]:
    """Return the entry point of the model that ``get_handler()`` takes here, and the reason."""
    name = os.environ.get(_HANDLER_VARIABLE)
    if name:
        entry = find_entry(HANDLERS, name, _HANDLER_VARIABLE)
        return entry, f"the variable {_HANDLER_VARIABLE} says so"
    nearest = _nearest_entry(name for name in candidates() if name not in excluded)
    if nearest is not None:
        return nearest, "it runs the caller"
    installed = entries_by_name(HANDLERS)
    if DEFAULT_MODEL not in installed and len(installed) == 1:
        (only,) = installed
        return find_entry(HANDLERS, only), "it is the only model that is installed"
    if DEFAULT_MODEL not in installed and installed:
        raise HandlerNotFoundError(none_named(installed))
    entry = find_entry(HANDLERS, DEFAULT_MODEL)
    return entry, "no installed model runs the caller, and it is the default"


def candidates() -> list[str]:
    """Return the names of the models that may run the caller: their libraries are imported.

    The default model is left out. It is chosen when no other model runs the caller.
    """
    return [
        name
        for name in sorted(entries_by_name(HANDLERS))
        if name in sys.modules and name != DEFAULT_MODEL
    ]


def _nearest_entry(names: Iterable[str]) -> EntryPoint | None:
    """Return the entry point of the model that runs nearest to the caller; None if none runs it.

    If two are as near, it is the first.
    """
    nearest: EntryPoint | None = None
    smallest = math.inf
    for name in names:
        found = _entry_and_distance(name)
        if found is not None and (nearest is None or found[1] < smallest):
            nearest, smallest = found
    return nearest


def _entry_and_distance(name: str) -> tuple[EntryPoint, float] | None:
    """Return the model's entry point and its distance to the caller, if it runs the caller.

    The program has not named this model. So a broken plugin is logged, and does not break the
    program.
    """
    try:
        entry = find_entry(HANDLERS, name)
        cls = load_handler_class(entry)
    except (HandlerLoadError, HandlerValidationError) as error:
        logger().warning("passing over a broken plugin: %s", error)
        return None
    try:
        return (entry, float(cls.distance_to_caller())) if cls.is_active() else None
    except (Exception, SystemExit):
        logger().warning(
            "passing over %s: it does not say whether it runs the caller",
            PluginOrigin(entry),
            exc_info=True,
        )
        return None
