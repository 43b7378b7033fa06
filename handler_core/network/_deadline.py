"""One deadline for several steps."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable

__all__ = ["Deadline"]


class Deadline:
    """A point in time by which all steps of an operation must end.

    Args:
        timeout: seconds from now; None for no limit.
        purpose: the operation, for the error: ``connecting to localhost:2181``.
        clock: the time in seconds.

    Raises:
        ValueError: the timeout is negative, or not a number (NaN).
    """

    def __init__(
        self, timeout: float | None, purpose: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be None or a non-negative number, not {timeout!r}")
        self._timeout = timeout
        self._purpose = purpose
        self._clock = clock
        self._end = None if timeout is None else clock() + timeout

    def is_over(self) -> bool:
        """Return True if no time is left."""
        return self._end is not None and self._clock() >= self._end

    def remaining(self, steps: int = 1) -> float | None:
        """Return how many seconds the next of so many steps may take, None for no limit.

        Raises:
            TimeoutError: no time is left.
        """
        if self._end is None:
            return None
        seconds = self._end - self._clock()
        if seconds <= 0:
            raise self.error()
        return seconds / steps

    def error(self) -> TimeoutError:
        """Return the error that says that the operation took too long."""
        return TimeoutError(
            errno.ETIMEDOUT, f"{self._purpose} took longer than {self._timeout} seconds"
        )
