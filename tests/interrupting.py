"""What a signal handler or a finalizer does: code that runs in the midst of other code.

Both run in a thread between two instructions of what it was doing, inside its locks too. Here
that happens at every instruction of a function in turn, instead of once in a million runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType, FunctionType
from typing import Any, TypeAlias

import pytest

Setup: TypeAlias = Callable[[], tuple[Callable[[], Any], Callable[[], Any]]]


def at_each_instruction(function: FunctionType, setup: Setup) -> Iterator[int]:
    """Run what ``setup`` returns once for each instruction of ``function``.

    ``setup`` returns what to run, which calls ``function``, and what interrupts it. Yields the
    number of the instruction after each run, for the caller to look at what came out of it.
    """
    if not isinstance(function, FunctionType):
        pytest.skip("compiled code has no bytecode: HANDLER_CORE_PURE=1 tests the Python source")
    number = 0
    while _interrupted(function, number, setup):
        yield number
        number += 1
    assert number > 0, f"{function} was never run"


def _interrupted(function: FunctionType, number: int, setup: Setup) -> bool:
    left = number
    armed = done = False
    interruption: Callable[[], Any]

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left, done
        if frame.f_code is not function.__code__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and armed and not done:
            if left == 0:
                done = True
                interruption()
            left -= 1
        return trace

    previous = sys.gettrace()
    # Python 3.12 reports instructions only if some frame had asked for them before,
    # and 3.13 only those of functions that it has traced once, and whose lines it reports.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(trace)
    try:
        body, interruption = setup()
        body()
        body, interruption = setup()
        armed = True
        body()
    finally:
        sys.settrace(previous)
    return done
