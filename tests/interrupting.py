"""What a signal handler or a finalizer does: code that runs in the midst of other code.

Both run in a thread between two instructions of what it was doing, inside its locks too. Here
that happens at every instruction of a function in turn, instead of once in a million runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType, FunctionType
from typing import Any


def at_each_instruction(
    function: FunctionType, setup: Callable[[], tuple[Callable[[], Any], Callable[[], Any]]]
) -> Iterator[int]:
    """Run what ``setup`` returns once for each instruction of ``function``.

    ``setup`` returns what to run, which calls ``function``, and what interrupts it. Yields the
    number of the instruction after each run, for the caller to look at what came out of it.
    """
    # Python 3.12 and 3.13 report instructions only of what was traced before.
    _interrupted(function, -1, *setup())
    number = 0
    while True:
        body, interruption = setup()
        if not _interrupted(function, number, body, interruption):
            assert number > 0, f"{function} was never run"
            return
        yield number
        number += 1


def _interrupted(
    function: FunctionType, number: int, body: Callable[[], Any], interruption: Callable[[], Any]
) -> bool:
    left = number
    done = False

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left, done
        if frame.f_code is not function.__code__:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode" and not done:
            if left == 0:
                done = True
                interruption()
            left -= 1
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        body()
    finally:
        sys.settrace(previous)
    return done
