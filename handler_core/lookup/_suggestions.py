"""What to type instead of a name that nobody knows. Only errors ask for that."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import importlib_metadata
from importlib_metadata import PackageNotFoundError

__all__ = ["DEFAULT", "close_matches", "models_on_offer", "not_found"]

#: The model of a program that names none and that none runs.
DEFAULT = "threading"

_DISTRIBUTION = "handler-core"

# A longer name is nobody's, and comparing it with others would take its time.
_LONGEST_NAME = 100


def close_matches(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return up to ``count`` of the known names that are close to ``name``, the closest first."""
    import difflib  # here, since where nothing is wrong it would be imported for nothing

    return difflib.get_close_matches(name, list(known), count)


def not_found(kind: str, name: str, installed: Collection[str]) -> str:
    """Say what there is instead, and what to install."""
    shown = repr(name) if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]!r}..."
    on_offer = [] if kind != "handler" else sorted(set(models_on_offer()) - set(installed))
    install = {model: f'pip install "{_DISTRIBUTION}[{model}]"' for model in on_offer}
    lines = [f"no {kind} named {shown} is installed"]
    close = []
    if len(name) <= _LONGEST_NAME:
        close = close_matches(name, sorted({*installed, *on_offer}))
    if name in install:
        lines.append(f"to install it: {install[name]}")
    elif close:
        lines.append(f"did you mean {' or '.join(close)}?")
        lines += [f"to install {model}: {install[model]}" for model in close if model in install]
    elif not installed and DEFAULT in install:
        lines.append(f"to install one: {install[DEFAULT]}")
    lines.append(f"installed: {', '.join(installed) or 'none'}")
    return "; ".join(lines)


def models_on_offer() -> Iterable[str]:
    """Return the models that are extras of ours: the core's own metadata is the list of them."""
    try:
        metadata = importlib_metadata.distribution(_DISTRIBUTION)
    except PackageNotFoundError:  # run from its source, without being installed
        return ()
    required = [requirement.lower() for requirement in metadata.requires or ()]
    return [
        extra
        for extra in metadata.metadata.get_all("Provides-Extra") or ()
        if any(requirement.startswith(f"{_DISTRIBUTION}-{extra}") for requirement in required)
    ]
