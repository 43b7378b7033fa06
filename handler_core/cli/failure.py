"""What a job says that did not go as it should have gone, on both sides of the process border."""

from __future__ import annotations

__all__ = ["JobError", "check_ran"]


class JobError(Exception):
    """The job did not go as it should have gone. The message is the reason, for people.

    Args:
        message: the reason.
        see_output: whether what the process has written belongs to it.
    """

    def __init__(self, message: str, *, see_output: bool = False) -> None:
        super().__init__(message)
        self.see_output = see_output


def check_ran(kind: str, ran: int, expected: int) -> None:
    """Check that as many callbacks of a kind ran as should have.

    Raises:
        JobError: they were more, or fewer.
    """
    if ran != expected:
        raise JobError(f"{ran:,} {kind} callbacks ran, where {expected:,} should have")
