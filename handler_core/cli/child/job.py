"""What a job is, and what jobs have in common."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from handler_core import Handler, get_handler
from handler_core.lookup._find_wrappers import WRAPPERS_VARIABLE

__all__ = ["Job", "JobError", "JobResult", "check_ran", "get_handler_without_wrappers"]


class JobResult(Protocol):
    """What a job returns: a named tuple whose fields can be written as JSON."""

    def _asdict(self) -> dict[str, Any]: ...


class Job(NamedTuple):
    """A function that a command runs in a child process.

    The child imports the function by its name. So it imports nothing of the other commands.

    Attributes:
        name: how the user sees the job named.
        function: a function at the top of a module. It is called with the name of a plugin, with a
            function that reports how much is done, and with the arguments of the job by keyword.
    """

    name: str
    function: Callable[..., JobResult]

    @property
    def path(self) -> str:
        """The name by which ``pkgutil.resolve_name`` finds the function."""
        return f"{self.function.__module__}:{self.function.__qualname__}"


class JobError(Exception):
    """A job failed. The message is the reason, for users.

    Args:
        message: the reason.
        see_output: whether the standard error of the process belongs to the reason.
        needs: whether something is not installed that the job needs. Then the plugin is not to
            blame.
    """

    def __init__(self, message: str, *, see_output: bool = False, needs: bool = False) -> None:
        super().__init__(message)
        self.see_output = see_output
        self.needs = needs


def check_ran(kind: str, ran: int, expected: int) -> None:
    """Check how many callbacks of a kind ran.

    Raises:
        JobError: more or fewer ran than expected.
    """
    if ran != expected:
        raise JobError(f"{ran:,} {kind} callbacks ran instead of {expected:,}")


def get_handler_without_wrappers(model: str) -> Handler:
    """Return a new handler of a model, and switch wrappers off in this process.

    A job that examines the model itself uses it.
    """
    os.environ.pop(WRAPPERS_VARIABLE, None)
    return get_handler(model)
