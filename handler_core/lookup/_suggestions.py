"""Suggestions for a name that is not known: close names, and what to install."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import importlib_metadata
from importlib_metadata import PackageNotFoundError

from handler_core.lookup._install_lines import DISTRIBUTION, install_line

__all__ = ["DEFAULT_MODEL", "close_matches", "models_on_offer", "none_named", "not_found"]

#: The model of a program that names none, if no other model runs it.
DEFAULT_MODEL = "threading"

# No plugin has a longer name, and comparing a very long one with others takes very long.
_LONGEST_NAME = 100


def not_found(kind: str, name: str, installed: Collection[str]) -> str:
    """Return the message for a handler or a wrapper that is not installed."""
    from handler_core.lookup._frozen import is_frozen, to_pack  # only an error needs it

    shown = repr(name) if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]!r}..."
    on_offer = [] if kind != "handler" else sorted(set(models_on_offer()) - set(installed))
    install = {model: install_line(model) for model in on_offer}
    lines = [f"no {kind} named {shown} is installed"]
    close = []
    if len(name) <= _LONGEST_NAME:
        close = close_matches(name, sorted({*installed, *on_offer}))
    if is_frozen():
        if close and name not in install:
            lines.append(f"did you mean {' or '.join(close)}?")
        # The program may lack the metadata of the core too, which lists the models on offer.
        ours = name in on_offer or (kind, name) == ("handler", DEFAULT_MODEL)
        distribution = f"{DISTRIBUTION}-{name}" if ours else "DISTRIBUTION"
        package = distribution.replace("-", "_") if ours else "PACKAGE"
        lines.append(to_pack(distribution, package))
    elif name in install:
        lines.append(f"to install it: {install[name]}")
    elif close:
        lines.append(f"did you mean {' or '.join(close)}?")
        lines += [f"to install {model}: {install[model]}" for model in close if model in install]
    elif not installed and DEFAULT_MODEL in install:
        lines.append(f"to install one: {install[DEFAULT_MODEL]}")
    lines.append(f"installed: {', '.join(installed) or 'none'}")
    return "; ".join(lines)


def none_named(installed: Iterable[str]) -> str:
    """Return the message for a program that names no model, where none can be taken for it."""
    from handler_core.lookup._frozen import is_frozen  # only an error needs it

    names = sorted(installed)
    lines = [
        "no handler is named, and none of the installed ones runs the caller",
        f"name one, for example get_handler({names[0]!r})",
    ]
    if not is_frozen():
        lines.append(f"to install {DEFAULT_MODEL}, the default: {install_line(DEFAULT_MODEL)}")
    lines.append(f"installed: {', '.join(names)}")
    return "; ".join(lines)


def close_matches(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return up to ``count`` of the known names that are close to ``name``, the closest first."""
    import difflib  # only an error needs it

    return difflib.get_close_matches(name, list(known), count)


def models_on_offer() -> Iterable[str]:
    """Return the models that are extras of handler-core, as its own metadata lists them."""
    try:
        metadata = importlib_metadata.distribution(DISTRIBUTION)
    except PackageNotFoundError:  # it runs from its source, and is not installed
        return ()
    required = [requirement.lower() for requirement in metadata.requires or ()]
    return [
        extra
        for extra in metadata.metadata.get_all("Provides-Extra") or ()
        if any(requirement.startswith(f"{DISTRIBUTION}-{extra}") for requirement in required)
    ]
