"""Several rounds of all operations on one model. They run in the child process."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from handler_core import get_handler
from handler_core.cli.bench.operations import ROWS, pending_bytes
from handler_core.cli.child.job import Job

__all__ = ["SINGLE_OPERATIONS", "Figures", "runs_in"]

# The average over this many results is exact to the byte.
_PENDING = 10_000


class Figures(NamedTuple):
    """The figures of one model.

    Attributes:
        seconds: for each row by its name, the seconds that one operation took in each round.
        pending_bytes: the bytes that one pending result takes.
    """

    seconds: dict[str, list[float]]
    pending_bytes: float


def runs_in(rounds: int) -> int:
    """Return how many runs the rounds have: a round runs each row once."""
    return rounds * len(ROWS)


def _measure_rows(model: str, report: Callable[[int], object], rounds: int) -> Figures:
    """Run each row once a round.

    A machine that is busy for a moment spoils one round of several rows, and not all rounds of one
    row. So the best round shows what the model can do.

    Args:
        model: the name of the model.
        report: called with the number of runs that are done.
        rounds: how many rounds to run.

    Raises:
        JobError: the handler did something wrong.
    """
    seconds: dict[str, list[float]] = {row.name: [] for row in ROWS}
    done = 0
    with get_handler(model) as handler:
        for _ in range(rounds):
            for row in ROWS:
                seconds[row.name].append(row.run(handler, row.loops) / row.loops)
                done += 1
                report(done)
        return Figures(seconds, pending_bytes(handler, _PENDING))


SINGLE_OPERATIONS = Job("single operations", _measure_rows)
