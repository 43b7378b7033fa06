"""What a plugin says of itself, once it is imported. Runs in a child process of its own."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import NamedTuple

from handler_core.handler._handler import Handler

__all__ = ["Description", "describe_handler", "describe_wrapper"]


class Description(NamedTuple):
    """A plugin that works.

    Attributes:
        name: what its handlers call themselves; empty for a wrapper.
        class_name: the full name of its class.
        file: where its module lies.
        summary: the first line of what it says of itself.
    """

    name: str
    class_name: str
    file: str
    summary: str


def describe_handler(handler: Handler, report: Callable[[int], object]) -> Description:
    """Describe the class of a handler, and see that it can say whether it runs the caller."""
    type(handler).is_active()
    report(1)
    return _describe(type(handler), handler.name)


def describe_wrapper(wrapper: object, report: Callable[[int], object]) -> Description:
    """Describe the class of a wrapper."""
    report(1)
    return _describe(type(wrapper), "")


def _describe(cls: type, name: str) -> Description:
    summary, _, _ = (inspect.getdoc(cls) or "").partition("\n")
    file = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
    return Description(name, f"{cls.__module__}.{cls.__qualname__}", file, summary)
