"""The version of the core. The metadata of the distribution is its only source."""

from __future__ import annotations

import importlib_metadata

from handler_core.lookup._install_lines import DISTRIBUTION

__all__ = ["__version__"]

__version__: str = importlib_metadata.version(DISTRIBUTION)
