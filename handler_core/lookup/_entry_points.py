"""The entry points of installed plugins.

A name is only ever looked up among the entry points of installed distributions. So what a
configuration file or an environment variable says can choose between them, and cannot import
anything else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import importlib_metadata
from importlib_metadata import EntryPoint

from handler_core.execution._logger import logger
from handler_core.lookup._exceptions import HandlerNotFoundError, HandlerValidationError
from handler_core.lookup._suggestions import not_found

__all__ = [
    "HANDLERS",
    "WRAPPERS",
    "HandlerInfo",
    "Origin",
    "entries_by_name",
    "find_entry",
    "list_entries",
]

#: The group of the models.
HANDLERS = "handler_core.handlers"

#: The group of the wrappers.
WRAPPERS = "handler_core.wrappers"


class HandlerInfo(NamedTuple):
    """An installed concurrency model, or a wrapper.

    Attributes:
        name: what to pass to :func:`get_handler`.
        distribution: the distribution that ships it.
        version: that distribution's version.
        value: where its class is, as ``module:class``.
    """

    name: str
    distribution: str
    version: str
    value: str


# Entry points. A scan reads the metadata of everything installed, and its result is kept for as
# long as `sys.path` is the same; a name that it does not have is looked for once more.

_scans: dict[str, tuple[tuple[str, ...], dict[str, list[EntryPoint]]]] = {}


def entries_by_name(group: str, afresh: bool = False) -> dict[str, list[EntryPoint]]:
    """Return the entry points of a group by name: more than one where a name is contested."""
    path = tuple(sys.path)
    kept = _scans.get(group)
    if kept is not None and kept[0] == path and not afresh:
        return kept[1]
    found: dict[str, list[EntryPoint]] = {}
    for entry in _entry_points(group):
        found.setdefault(entry.name, []).append(entry)
    _scans[group] = path, found
    return found


def _entry_points(group: str) -> Iterable[EntryPoint]:
    try:
        return importlib_metadata.entry_points(group=group)
    except (ValueError, TypeError, LookupError, OSError):
        # Somebody's metadata is damaged. That is no reason not to find ours.
        return list(_readable_entry_points(group))


def _readable_entry_points(group: str) -> Iterator[EntryPoint]:
    """Read one distribution after the other. As on ``sys.path``, the first of a name counts."""
    seen = set()
    for distribution in importlib_metadata.distributions():
        try:
            name = distribution.name.lower().replace("_", "-").replace(".", "-")
            entries = list(distribution.entry_points.select(group=group))
        except (ValueError, TypeError, LookupError, OSError) as error:
            logger().warning("passing over a distribution that cannot be read: %r", error)
            continue
        if name not in seen:
            seen.add(name)
            yield from entries


def list_entries(group: str) -> list[HandlerInfo]:
    return sorted(
        HandlerInfo(entry.name, *distribution_of(entry), entry.value)
        for entries in entries_by_name(group, afresh=True).values()
        for entry in entries
    )


def find_entry(group: str, name: str, variable: str | None = None) -> EntryPoint:
    """Return the one entry point of that name, which the environment variable may have given."""
    entries = entries_by_name(group).get(name) or entries_by_name(group, afresh=True).get(name)
    if entries is None:
        hint = f" (the name is from the variable {variable})" if variable else ""
        kind = "handler" if group == HANDLERS else "wrapper"
        installed = sorted(entries_by_name(group))
        raise HandlerNotFoundError(not_found(kind, name, installed) + hint)
    if len(entries) > 1:
        claims = " and ".join(str(Origin(entry)) for entry in entries)
        raise HandlerValidationError(
            f"{name!r} is claimed by {claims}: pip uninstall the one that you do not mean"
        )
    return entries[0]


def distribution_of(entry: EntryPoint) -> tuple[str, str]:
    distribution = entry.dist
    if distribution is None:
        return "an unknown distribution", ""
    try:
        return distribution.name, distribution.version
    except (OSError, LookupError, ValueError):  # half uninstalled, or damaged
        return "a distribution without metadata", ""


class Origin:
    """A plugin, with its distribution, as it is called in messages.

    It becomes text where there is a message: to ask for the name of a distribution is to parse its
    metadata, by the package ``email``, and that takes longer than all else that ``get_handler``
    does.
    """

    __slots__ = ("_entry",)

    def __init__(self, entry: EntryPoint) -> None:
        self._entry = entry

    def __str__(self) -> str:
        entry = self._entry
        name, version = distribution_of(entry)
        return f"plugin {entry.name!r} ({entry.value}) of {name} {version}".rstrip()
