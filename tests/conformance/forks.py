"""Runs pytest again and again, each time in a fork of this one process.

``python forks.py`` reads from standard input, as JSON, the name of each run and its arguments of
pytest. It imports once what every run needs, and then forks for each. So a run starts at once and
still has a process of its own: a handler that hangs, ends its process or spoils it does that to
its own run only. What a run writes goes into the files ``NAME.out`` and ``NAME.err`` of the
current folder. Its name and exit status are printed as a line of JSON when it has ended.

The suite is imported in each run, since pytest rewrites the asserts of what it imports itself.
"""

from __future__ import annotations

import json
import os
import sys
import threading

import anyio.pytest_plugin
import broken
import pytest
import pytest_timeout
import trustme

# What each run would import itself.
IMPORTED = (anyio.pytest_plugin, broken, pytest_timeout, trustme)

# Runs at a time. They wait most of the time.
AT_A_TIME = 3


def begin(name: str, arguments: list[str]) -> int:
    """Fork and return the process that does the run. That process never returns."""
    pid = os.fork()
    if pid:
        return pid
    for descriptor, path in ((0, os.devnull), (1, f"{name}.out"), (2, f"{name}.err")):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
        os.close(file)
    # Up to Python 3.12 a fork's main thread keeps the number of its parent's, by which the suite
    # knows where it can set an alarm.
    threading.main_thread()._set_native_id()  # type: ignore[attr-defined]
    sys.exit(pytest.main(arguments))


def main() -> None:
    """Do all runs."""
    assert not [name for name in sys.modules if name.startswith("handler_core.testing")]
    left = list(reversed(json.load(sys.stdin).items()))
    running: dict[int, str] = {}
    while left or running:
        while left and len(running) < AT_A_TIME:
            name, arguments = left.pop()
            running[begin(name, arguments)] = name
        pid, status = os.wait()
        print(json.dumps([running.pop(pid), os.waitstatus_to_exitcode(status)]), flush=True)


if __name__ == "__main__":
    main()
