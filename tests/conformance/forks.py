"""A pytest plugin that runs the suite on many handlers, each in a fork of one process.

``pytest -p forks -s --pyargs handler_core.testing --handler NAME`` collects the tests of the suite
once. Then it reads from standard input, as JSON, what to run: the names of handlers, each with a
pattern of tests' names and with the number of failures that end its run. It forks for each. So a
run starts at once and still has a process of its own: a handler that hangs, ends its process or
spoils it does that to its own run only. What a run of ``NAME`` writes goes into the files
``NAME.out`` and ``NAME.err`` of the current folder. A line ``ended NAME STATUS`` is printed when it
has ended.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading

import pytest

# Runs at a time. They wait most of the time.
AT_A_TIME = 3


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Fork for each handler. In a fork, let pytest run the tests that are left."""
    runs: dict[str, tuple[str, int]] = json.load(sys.stdin)
    left = [*runs][::-1]
    running: dict[int, str] = {}
    while left or running:
        while left and len(running) < AT_A_TIME:
            name = left.pop()
            sys.stdout.flush()
            pid = os.fork()
            if not pid:
                write_to_files(name)
                choose(session, name, *runs[name])
                return None
            running[pid] = name
        pid, status = os.wait()
        print("ended", running.pop(pid), os.waitstatus_to_exitcode(status), flush=True)
    return True


def write_to_files(name: str) -> None:
    """Give this fork files of its own in place of the standard ones."""
    for descriptor, path in ((0, os.devnull), (1, f"{name}.out"), (2, f"{name}.err")):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, descriptor)
        os.close(file)


def choose(session: pytest.Session, name: str, pattern: str, failures: int) -> None:
    """Keep the tests whose names match, and let them test this handler."""
    # Up to Python 3.12 a fork's main thread keeps the number of its parent's, by which the suite
    # knows where it can set an alarm.
    threading.main_thread()._set_native_id()  # type: ignore[attr-defined]
    kept = []
    for item in session.items:
        assert isinstance(item, pytest.Function)
        assert item.cls is not None
        item.cls.handler_name = name
        item.cls.stderr = 2
        if re.fullmatch(pattern, item.originalname):
            kept.append(item)
    session.items[:] = kept
    session.config.option.maxfail = failures
