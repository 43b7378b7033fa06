"""What the tests know of the process that they run in: whether trio runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

IN_TRIO = trio.lowlevel.in_trio_run()

IN_LOOP = Path(__file__).parent / "in_loop.py"


class TrioProcess:
    """For test classes: runs scripts as this process was run."""

    handler_name = "trio"
    interpreter = (sys.executable, str(IN_LOOP)) if IN_TRIO else (sys.executable,)
