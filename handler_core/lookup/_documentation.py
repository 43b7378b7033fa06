"""The address of the documentation. The metadata of the distribution is its only source."""

from __future__ import annotations

import importlib_metadata

from handler_core.lookup._install_lines import DISTRIBUTION

__all__ = ["documentation"]


def documentation(page: str = "") -> str:
    """Return the address of the documentation, or of one of its pages."""
    urls: list[str] = importlib_metadata.metadata(DISTRIBUTION).get_all("Project-URL") or []
    sites = dict(each.split(", ", 1) for each in urls)
    return sites["Documentation"] + page
