"""The hook that makes PyInstaller pack all installed models and wrappers into a program.

PyInstaller follows import statements. A plugin is found by its entry point, and no statement
imports it. So the hook packs all plugins that are installed where the program is built, also those
of other authors: their modules, and the metadata that has the entry points.

PyInstaller finds this folder by the entry point ``hook-dirs`` of the group ``pyinstaller40``. It
runs the hook for each program that imports handler_core. A look-up imports nothing of this package.
"""

from __future__ import annotations

import os

__all__ = ["hook_folders"]


def hook_folders() -> list[str]:
    """Return the folders that have hooks for PyInstaller."""
    return [os.path.dirname(__file__)]
