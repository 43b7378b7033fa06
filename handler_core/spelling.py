"""What a name that nobody knows may have been meant to be. Only errors ask for that."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["close_matches"]


def close_matches(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return up to ``count`` of the known names that are close to ``name``, the closest first."""
    import difflib  # here, since where nothing is wrong it would be imported for nothing

    return difflib.get_close_matches(name, list(known), count)
