"""Handlers that each break one line of the contract and keep the others.

A handler's name begins with the number of its line. The first handler of each line breaks that
line alone, as far as possible. The other handlers break the line in other ways. Most of these ways
were seen in real handlers. :data:`FOUND_BY` has the test that must find each. Where the whole suite
runs on a handler, :data:`ALSO` has the lines that rely on the broken one.
"""

from __future__ import annotations

from broken import (
    callbacks,
    connections,
    forked_pairs,
    frozen_tasks,
    lifecycle,
    pairs,
    primitives,
    processes,
    results,
    selecting,
    timers,
)
from broken.base import ALSO, FOUND_BY, Threads

__all__ = ["ALSO", "FOUND_BY", "HANDLERS", "Threads"]

#: All broken handlers by name.
HANDLERS = {
    name: cls
    for module in (
        lifecycle,
        processes,
        frozen_tasks,
        forked_pairs,
        callbacks,
        results,
        selecting,
        connections,
        pairs,
        primitives,
        timers,
    )
    for name, cls in vars(module).items()
    if name[0] == "C" and name[1:2].isdigit()
}

# The handlers' entry points name this module.
globals().update(HANDLERS)
