"""The entry points of installed plugins.

Every name is looked up among the entry points of installed distributions. So a configuration file
or an environment variable can choose between plugins, and cannot import anything else.

A scan reads the metadata of all that is installed. Its result is kept as long as ``sys.path`` stays
the same. If it lacks a name, one more scan looks for that name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import importlib_metadata
from importlib_metadata import EntryPoint

from handler_core.execution._logger import logger
from handler_core.lookup._duplicates import canonical_name, is_leftover, without_copies
from handler_core.lookup._exceptions import (
    HandlerLoadError,
    HandlerNotFoundError,
    HandlerValidationError,
)
from handler_core.lookup._plugin_origin import PluginOrigin, distribution_of
from handler_core.lookup._suggestions import not_found

__all__ = [
    "HANDLERS",
    "WRAPPERS",
    "HandlerInfo",
    "entries_by_name",
    "find_entry",
    "list_entries",
    "load_entry",
]

#: The group of the models.
HANDLERS = "handler_core.handlers"

#: The group of the wrappers.
WRAPPERS = "handler_core.wrappers"

#: For each group, the `sys.path` of the last scan and the entry points that it found.
_scans: dict[str, tuple[tuple[str, ...], dict[str, list[EntryPoint]]]] = {}


class HandlerInfo(NamedTuple):
    """An installed concurrency model, or an installed wrapper.

    Attributes:
        name: the name to pass to :func:`get_handler`.
        distribution: the distribution that ships the plugin.
        version: the version of that distribution.
        value: the place of the class, as ``module:class``.
    """

    name: str
    distribution: str
    version: str
    value: str


# A pickle looks for the class there.
HandlerInfo.__module__ = "handler_core"


def find_entry(group: str, name: str, variable: str | None = None) -> EntryPoint:
    """Return the one entry point of that name.

    Args:
        group: the group to search.
        name: the name of the entry point.
        variable: the environment variable that gave the name, if one did.

    Raises:
        HandlerNotFoundError: no entry point has that name.
        HandlerValidationError: two distributions claim the name.
    """
    entries = entries_by_name(group).get(name) or entries_by_name(group, afresh=True).get(name)
    if entries is None:
        hint = f" (the name is from the variable {variable})" if variable else ""
        kind = "handler" if group == HANDLERS else "wrapper"
        installed = sorted(entries_by_name(group))
        raise HandlerNotFoundError(not_found(kind, name, installed) + hint)
    if len(entries) > 1:
        claims = " and ".join(str(PluginOrigin(entry)) for entry in entries)
        raise HandlerValidationError(
            f"{name!r} is claimed by {claims}: pip uninstall the one that you do not mean"
        )
    return entries[0]


def load_entry(entry: EntryPoint) -> Any:
    """Import the plugin, and return the object that the entry point names.

    Raises:
        HandlerLoadError: the import failed.
    """
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        message = f"{PluginOrigin(entry)} cannot be imported: {type(error).__name__}: {error}"
        raise HandlerLoadError(message + _advice(entry, error)) from error


def _advice(entry: EntryPoint, error: BaseException) -> str:
    from handler_core.lookup._frozen import is_frozen, to_pack  # only an error needs it

    if not is_frozen() or not isinstance(error, ImportError) or error.name is None:
        return ""
    return "; " + to_pack(distribution_of(entry)[0], error.name.partition(".")[0])


def list_entries(group: str) -> list[HandlerInfo]:
    """Return the plugins of a group, sorted, without importing any."""
    return sorted(
        HandlerInfo(entry.name, *distribution_of(entry), entry.value)
        for entries in entries_by_name(group, afresh=True).values()
        for entry in entries
    )


def entries_by_name(group: str, afresh: bool = False) -> dict[str, list[EntryPoint]]:
    """Return the entry points of a group by name: several if distributions claim one name.

    A distribution that is on the path more than once counts once.
    """
    path = tuple(sys.path)
    kept = _scans.get(group)
    if kept is not None and kept[0] == path and not afresh:
        return kept[1]
    found: dict[str, list[EntryPoint]] = {}
    for entry in _entry_points(group):
        if not is_leftover(entry.dist):
            found.setdefault(entry.name, []).append(entry)
    by_name = {name: without_copies(entries) for name, entries in found.items()}
    _scans[group] = path, by_name
    return by_name


def _entry_points(group: str) -> Iterable[EntryPoint]:
    try:
        return importlib_metadata.entry_points(group=group)
    except (ValueError, TypeError, LookupError, OSError):
        # The metadata of some distribution is damaged. The others can still be read.
        return list(_readable_entry_points(group))


def _readable_entry_points(group: str) -> Iterator[EntryPoint]:
    """Read one distribution after the other. As on ``sys.path``, the first of a name counts."""
    seen = set()
    for distribution in importlib_metadata.distributions():
        if is_leftover(distribution):
            continue
        try:
            name = canonical_name(distribution.name)
            entries = list(distribution.entry_points.select(group=group))
        except (ValueError, TypeError, LookupError, OSError) as error:
            logger().warning("passing over a distribution that cannot be read: %r", error)
            continue
        if name not in seen:
            seen.add(name)
            yield from entries
