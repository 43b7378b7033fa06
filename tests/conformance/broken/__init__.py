"""Handlers that each break one line of the contract, and are otherwise in order.

Their names begin with the line. The first of each line breaks that line alone, as far as one can:
where another line relies on it, :data:`ALSO` says so. The rest are other ways to break a line,
most of them seen in real handlers.
"""

from __future__ import annotations

from broken import (
    callbacks,
    connections,
    lifecycle,
    pairs,
    primitives,
    processes,
    results,
    selecting,
)
from broken.base import ALSO, Threads

__all__ = ["ALSO", "HANDLERS", "Threads"]

#: All of them, in the order of the contract.
HANDLERS = {
    name: cls
    for module in (
        lifecycle,
        processes,
        callbacks,
        results,
        selecting,
        connections,
        pairs,
        primitives,
    )
    for name, cls in vars(module).items()
    if name[0] == "C" and name[1:2].isdigit()
}

# Their entry points look for them here.
globals().update(HANDLERS)
