"""What to do about a plugin that a frozen program lacks.

A program is frozen where PyInstaller, or a tool like it, has packed it with an interpreter. ``pip``
cannot install anything there. The plugin must be packed too: its modules, and its metadata.
"""

from __future__ import annotations

import sys

__all__ = ["is_frozen", "to_pack"]


def is_frozen() -> bool:
    """Return True if this program was packed by PyInstaller or a tool like it."""
    return bool(getattr(sys, "frozen", False))


def to_pack(distribution: str, package: str) -> str:
    """Return what to do where the program is built, so that it gets a plugin.

    Args:
        distribution: the distribution of the plugin.
        package: the package or module that is missing.
    """
    return (
        f"this program is frozen: install {distribution} where it is built, and build it again; "
        "a tool that does not find plugins must be told of this one, PyInstaller with "
        f"--copy-metadata {distribution} --collect-submodules {package} "
        "--collect-submodules handler_core"
    )
