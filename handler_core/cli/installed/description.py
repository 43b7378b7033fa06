"""The description of a plugin that has been imported. It is made in the child process."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import NamedTuple

from handler_core.cli.child.job import Job, get_handler_without_wrappers
from handler_core.lookup._find_wrappers import get_wrapper

__all__ = ["DESCRIPTION_OF_MODEL", "DESCRIPTION_OF_WRAPPER", "Description"]


class Description(NamedTuple):
    """A plugin that works.

    Attributes:
        name: the name of its handlers, or an empty string for a wrapper.
        class_name: the full name of its class.
        file: the file of the module of its class.
        summary: the first line of the docstring of its class.
    """

    name: str
    class_name: str
    file: str
    summary: str


def _describe_model(model: str, report: Callable[[int], object]) -> Description:
    """Describe the class of a model, and check that its ``is_active`` can be called."""
    handler = get_handler_without_wrappers(model)
    type(handler).is_active()
    report(1)
    return _describe(type(handler), handler.name)


def _describe_wrapper(name: str, report: Callable[[int], object]) -> Description:
    """Describe the class of a wrapper."""
    wrapper = get_wrapper(name)
    report(1)
    return _describe(type(wrapper), "")


def _describe(cls: type, name: str) -> Description:
    summary, _, _ = (inspect.getdoc(cls) or "").partition("\n")
    file = getattr(sys.modules.get(cls.__module__), "__file__", None) or ""
    return Description(name, f"{cls.__module__}.{cls.__qualname__}", file, summary)


DESCRIPTION_OF_MODEL = Job("description", _describe_model)
DESCRIPTION_OF_WRAPPER = Job("description of a wrapper", _describe_wrapper)
