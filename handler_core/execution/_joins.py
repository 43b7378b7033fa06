"""Joins that could never end: of oneself, and of a task that waits for the caller.

A task that joins another one notes that. So the chain of joins can be followed. Where it leads back
to the caller, ``join`` raises and does not wait. ``threading`` refuses the first kind too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

__all__ = ["Joinable", "joining"]


class Joinable:
    """A task that other tasks may join."""

    #: The task that this one is joining without a timeout.
    _joins: Joinable | None = None


@contextlib.contextmanager
def joining(caller: Joinable | None, task: Joinable, timeout: float | None) -> Iterator[None]:
    """Surround the wait of a ``join``. From any thread.

    Args:
        caller: the task that calls ``join``; None for a caller that nobody can join.
        task: the task that it joins.
        timeout: the timeout of the ``join``, in seconds; None waits for ever.

    Raises:
        RuntimeError: ``task`` is the caller. Or ``task`` waits for the end of the caller, by joins
            without timeouts, and neither would ever end.
    """
    if caller is None:
        yield
        return
    if task is caller:
        raise RuntimeError(
            "a task cannot wait for its own end: make this call in a task of its own, with "
            "handler.spawn(...)"
        )
    if timeout is not None:
        yield
        return
    # In this order, one of two tasks that join each other at the same time sees the other.
    caller._joins = task
    try:
        awaited: Joinable | None = task
        while awaited is not None:
            awaited = awaited._joins
            if awaited is caller:
                raise RuntimeError(
                    "a task cannot wait for the end of one that waits for its own: let it end "
                    "first, or make this call in a task of its own, with handler.spawn(...)"
                )
        yield
    finally:
        caller._joins = None
