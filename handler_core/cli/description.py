"""What a model says of itself, once it is imported. Runs in a child process of its own."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import NamedTuple

import importlib_metadata

from handler_core.handler import Handler

__all__ = ["Description", "describe"]


class Description(NamedTuple):
    """A model that works.

    Attributes:
        name: what its handlers call themselves.
        handler_class: its full name.
        file: where its module lies.
        summary: the first line of what it says of itself.
        library: what it stands on, with its version; empty if that cannot be said.
    """

    name: str
    handler_class: str
    file: str
    summary: str
    library: str


def describe(handler: Handler, report: Callable[[int], object]) -> Description:
    """Describe the class of ``handler``."""
    cls = type(handler)
    summary, _, _ = (inspect.getdoc(cls) or "").partition("\n")
    module = sys.modules[cls.__module__]
    report(1)
    return Description(
        handler.name,
        f"{cls.__module__}.{cls.__qualname__}",
        getattr(module, "__file__", None) or "",
        summary,
        _library_of(handler.name),
    )


def _library_of(name: str) -> str:
    """Return the library that a model is named for, with its version."""
    if name in sys.stdlib_module_names:
        return "the standard library"
    for distribution in importlib_metadata.packages_distributions().get(name, ()):
        return f"{distribution} {importlib_metadata.version(distribution)}"
    return ""
