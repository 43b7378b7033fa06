"""Importing and describing one installed plugin, in a child process.

A plugin that is broken in any way then breaks nothing else.
"""

from __future__ import annotations

from handler_core.cli.child.job import Job
from handler_core.cli.child.process import ChildError, run_in_child
from handler_core.cli.installed.description import (
    DESCRIPTION_OF_MODEL,
    DESCRIPTION_OF_WRAPPER,
    Description,
)

__all__ = ["describe_model", "describe_wrapper"]

# Seconds. An import may take long on a busy machine.
_TIMEOUT = 60.0


def describe_model(name: str) -> Description | ChildError:
    """Return the description of a model, or the reason why the model is broken."""
    return _describe(DESCRIPTION_OF_MODEL, name, "models")


def describe_wrapper(name: str) -> Description | ChildError:
    """Return the description of a wrapper, or the reason why the wrapper is broken."""
    return _describe(DESCRIPTION_OF_WRAPPER, name, "wrappers")


def _describe(job: Job, name: str, unit: str) -> Description | ChildError:
    try:
        described = run_in_child(
            job, name, {}, total=1, unit=unit, timeout=_TIMEOUT, report=lambda done: None
        )
    except ChildError as error:
        return error
    return Description(**described)
