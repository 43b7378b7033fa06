"""Several rounds of all rows on one model. Runs in the child process of that model."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from handler_core.cli.micro import ROWS, pending_bytes
from handler_core.handler._handler import Handler

__all__ = ["Figures", "measure_rows", "runs_in"]

# As many as it takes for the average to be exact to the byte.
_PENDING = 10_000


class Figures(NamedTuple):
    """What one model has shown.

    Attributes:
        seconds: by the name of a row, what one operation took in each round.
        pending_bytes: what one pending result takes.
    """

    seconds: dict[str, list[float]]
    pending_bytes: float


def runs_in(rounds: int) -> int:
    """Return how many runs so many rounds have: one of each row, and so many times that."""
    return rounds * len(ROWS)


def measure_rows(handler: Handler, report: Callable[[int], object], rounds: int) -> Figures:
    """Run each row once a round.

    A machine that is busy for a moment is busy for one round of several rows, not for all rounds
    of one: the best of the rounds is what the model can do.

    Args:
        handler: an unstarted handler.
        report: called with the number of runs that are done.
        rounds: how many.

    Raises:
        JobError: the handler did not do what it was asked to.
    """
    seconds: dict[str, list[float]] = {row.name: [] for row in ROWS}
    done = 0
    with handler:
        for _ in range(rounds):
            for row in ROWS:
                seconds[row.name].append(row.run(handler, row.loops) / row.loops)
                done += 1
                report(done)
        return Figures(seconds, pending_bytes(handler, _PENDING))
