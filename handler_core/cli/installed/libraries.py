"""The libraries that a plugin requires, and whether they are installed.

The metadata of its distribution names them. The plugin is not imported for this, because it may be
broken just because a library is missing.
"""

from __future__ import annotations

import importlib_metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from handler_core import HandlerInfo

__all__ = ["libraries", "requirements"]


def requirements(distribution: str) -> list[Requirement]:
    """Return what a distribution requires on this system. Its extras do not count.

    Raises:
        importlib_metadata.PackageNotFoundError: the distribution is not installed, or it has no
            metadata.
        InvalidRequirement: a requirement has no valid syntax.
    """
    texts = importlib_metadata.distribution(distribution).requires or ()
    return [
        each
        for each in map(Requirement, texts)
        if each.marker is None or each.marker.evaluate({"extra": ""})
    ]


def libraries(plugin: HandlerInfo) -> str:
    """Return the libraries that the plugin requires besides handler-core, as text.

    Each has its version, or is said to be missing.
    """
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
