"""What the tests know of the process that they run in: which loop runs them, if any."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

LOOP: asyncio.AbstractEventLoop | None = asyncio._get_running_loop()

_KIND = "asyncio" if type(LOOP).__module__.startswith("asyncio.") else "uvloop"

IN_LOOP = Path(__file__).parent / "in_loop.py"


class AsyncioProcess:
    """For test classes: runs scripts as this process was run."""

    handler_name = "asyncio"
    interpreter = (sys.executable,) if LOOP is None else (sys.executable, str(IN_LOOP), _KIND)
