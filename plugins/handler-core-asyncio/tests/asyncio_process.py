"""What the tests know of the process that they run in: what runs them, and what has patched it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from handler_core_greenlet._native import unpatched

LOOP: asyncio.AbstractEventLoop | None = asyncio._get_running_loop()


def _is_patched_by(library: str) -> bool:
    modules: Any = sys.modules
    if library == "gevent":
        return "gevent.monkey" in modules and modules["gevent.monkey"].is_module_patched("socket")
    return "eventlet" in modules and modules["eventlet.patcher"].is_monkey_patched("socket")


#: The library that has patched this process, or "".
PATCHED_BY = next(filter(_is_patched_by, ("gevent", "eventlet")), "")

_KIND = PATCHED_BY or ("asyncio" if type(LOOP).__module__.startswith("asyncio.") else "uvloop")

IN_LOOP = Path(__file__).parent / "in_loop.py"


class AsyncioProcess:
    """For test classes: runs scripts as this process was run, and starts real threads."""

    handler_name = "asyncio"
    start_os_thread = staticmethod(unpatched("_thread").start_new_thread)
    interpreter = (sys.executable,) if LOOP is None else (sys.executable, str(IN_LOOP), _KIND)
