"""The origin of a plugin, for messages: its entry point, its distribution, and the version."""

from __future__ import annotations

from importlib_metadata import EntryPoint

__all__ = ["PluginOrigin", "distribution_of"]


class PluginOrigin:
    """Names a plugin and its distribution when it is formatted.

    The metadata is read at that moment, so only for a message. To read it, importlib_metadata
    parses it with the package ``email``, which takes longer than the rest of ``get_handler``.
    """

    __slots__ = ("_entry",)

    def __init__(self, entry: EntryPoint) -> None:
        self._entry = entry

    def __str__(self) -> str:
        entry = self._entry
        name, version = distribution_of(entry)
        return f"plugin {entry.name!r} ({entry.value}) of {name} {version}".rstrip()


def distribution_of(entry: EntryPoint) -> tuple[str, str]:
    """Return the name and the version of the distribution that has the entry point."""
    distribution = entry.dist
    if distribution is None:
        return "an unknown distribution", ""
    try:
        return distribution.name, distribution.version
    except (OSError, LookupError, ValueError):  # half uninstalled, or damaged
        return "a distribution without metadata", ""
