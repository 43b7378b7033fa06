"""One distribution that is on ``sys.path`` more than once is one plugin.

A checkout on ``PYTHONPATH`` beside an installed copy is such a case, and so is a folder that is
reached by two ways. importlib_metadata compares the names of the metadata folders, and keeps the
first distribution of a name. It reads no metadata for that. Two copies whose folders have different
names pass it. Here the names in the metadata are compared, and only where two distributions claim
one name, because parsing metadata takes longer than the rest of a look-up.

pip renames a folder while it uninstalls a distribution: the new name begins with ``~``. The folder
stays if pip is interrupted. pip itself ignores it later, and so does a look-up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from importlib_metadata import EntryPoint

__all__ = ["canonical_name", "is_leftover", "without_copies"]


def is_leftover(distribution: object) -> bool:
    """Return True if an interrupted pip has left the metadata folder of the distribution."""
    # Distributions of other finders may have no folder.
    folder = str(getattr(distribution, "_path", ""))
    return os.path.basename(folder.rstrip("/")).startswith("~")


def without_copies(entries: Sequence[EntryPoint]) -> list[EntryPoint]:
    """Return the entry points of one name, less those of copies of a distribution.

    The copy that is first on ``sys.path`` counts. A distribution without a readable name is not
    taken for a copy.
    """
    if len(entries) < 2:
        return list(entries)
    first: dict[str, object] = {}
    kept = []
    for entry in entries:
        name = _name_of(entry.dist)
        if name is None or first.setdefault(name, entry.dist) is entry.dist:
            kept.append(entry)
    return kept


def canonical_name(name: str) -> str:
    """Return the name of a distribution in the form in which two names can be compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _name_of(distribution: Any) -> str | None:
    if distribution is None:  # the entry point was made by hand
        return None
    try:
        return canonical_name(distribution.name)
    except (OSError, LookupError, ValueError, TypeError):  # half uninstalled, or damaged
        return None
