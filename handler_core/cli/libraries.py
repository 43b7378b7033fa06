"""What a plugin stands on, and whether it is there: what its distribution says that it requires.

The plugin is not imported for this: it may be broken just because its library is missing.
"""

from __future__ import annotations

import importlib_metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from handler_core.lookup._entry_points import HandlerInfo

__all__ = ["libraries", "requirements"]


def requirements(distribution: str) -> list[Requirement]:
    """Return what a distribution requires here, less what only its extras do.

    Raises:
        importlib_metadata.PackageNotFoundError: there is no such distribution, or no metadata.
        InvalidRequirement: it cannot be understood.
    """
    texts = importlib_metadata.distribution(distribution).requires or ()
    return [
        each
        for each in map(Requirement, texts)
        if each.marker is None or each.marker.evaluate({"extra": ""})
    ]


def libraries(plugin: HandlerInfo) -> str:
    """Say what the plugin stands on besides handler-core, and what of that is missing."""
    try:
        required = requirements(plugin.distribution)
    except (importlib_metadata.PackageNotFoundError, InvalidRequirement, ValueError):
        return "not known"
    others = [each.name for each in required if canonicalize_name(each.name) != "handler-core"]
    return ", ".join(map(_installed, others)) or "the standard library"


def _installed(name: str) -> str:
    try:
        return f"{name} {importlib_metadata.version(name)}"
    except (importlib_metadata.PackageNotFoundError, LookupError, ValueError):
        return f"{name} is missing"
