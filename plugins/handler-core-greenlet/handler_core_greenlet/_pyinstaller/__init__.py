"""The hook that makes PyInstaller pack the modules that handler_core imports by name.

PyInstaller finds this folder by the entry point ``hook-dirs`` of the group ``pyinstaller40``.
"""

from __future__ import annotations

import os

__all__ = ["hook_folders"]


def hook_folders() -> list[str]:
    """Return the folders that have hooks for PyInstaller."""
    return [os.path.dirname(__file__)]
