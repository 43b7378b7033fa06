"""What ``list`` and ``info`` have found, as JSON.

Programs read it. The page of the command line describes it, and says what may change.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeAlias

from handler_core import HandlerInfo
from handler_core.cli.child.process import ChildError
from handler_core.cli.installed.choice import choice
from handler_core.cli.installed.description import Description
from handler_core.cli.installed.libraries import libraries
from handler_core.execution._compiled import build

__all__ = ["Described", "result"]

#: Plugins, each with its description, or with the reason why it is broken.
Described: TypeAlias = Sequence[tuple[HandlerInfo, Description | ChildError]]


def result(models: Described, wrappers: Described, broken: Collection[str]) -> dict[str, object]:
    """Return all that was found."""
    chosen = choice(broken)
    return {
        "models": [_plugin(*each) for each in models],
        "wrappers": [_plugin(*each) for each in wrappers],
        "get_handler": {"model": chosen.model, "reason": chosen.sentence},
        "build": build(),
    }


def _plugin(plugin: HandlerInfo, described: Description | ChildError) -> dict[str, object]:
    found: dict[str, object] = {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "entry_point": plugin.value,
        "libraries": libraries(plugin),
        "works": isinstance(described, Description),
    }
    if isinstance(described, ChildError):
        return {**found, "error": str(described)}
    return {
        **found,
        "class": described.class_name,
        "file": described.file,
        "summary": described.summary,
    }
