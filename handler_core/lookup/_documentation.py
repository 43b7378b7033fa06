"""Where the documentation lies: what the distribution's metadata says, and nobody else."""

from __future__ import annotations

import importlib_metadata

__all__ = ["documentation"]

_DISTRIBUTION = "handler-core"


def documentation(page: str = "") -> str:
    """Return the address of the documentation, or of one of its pages."""
    urls: list[str] = importlib_metadata.metadata(_DISTRIBUTION).get_all("Project-URL") or []
    sites = dict(each.split(", ", 1) for each in urls)
    return sites["Documentation"] + page
