"""What the tests share: whether eventlet has patched their process, and how they wait."""

from __future__ import annotations

import time
from typing import Any

import eventlet
from eventlet import hubs, patcher

from handler_core import Callback
from handler_core.testing import LIMIT, Suite

PATCHED = patcher.is_monkey_patched("thread")
native_thread = patcher.original("_thread")
native_time = patcher.original("time")


class Script(Suite):
    """Runs scripts in a process patched as this one."""

    handler_name = "eventlet"
    prelude = "import eventlet; eventlet.monkey_patch()" if PATCHED else "import eventlet"


class OSThread:
    """An OS thread. The test waits for it without the handler."""

    def __init__(self, func: Any, *args: Any) -> None:
        self._outcome: list[Any] = []
        native_thread.start_new_thread(self._run, (func, args))

    def _run(self, func: Any, args: Any) -> None:
        try:
            outcome = (func(*args), None)
        except BaseException as error:
            outcome = (None, error)
        self._outcome.append(outcome)

    def join(self) -> Any:
        until(lambda: self._outcome)
        value, error = self._outcome[0]
        if error is not None:
            raise error
        return value


def until(condition: Any) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        eventlet.sleep(0.001)


def natively_until(condition: Any) -> None:
    """Do what `until` does, in an OS thread that is to get no hub."""
    deadline = native_time.monotonic() + LIMIT
    while not condition():
        assert native_time.monotonic() < deadline, "it did not happen"
        native_time.sleep(0.001)


def has_hub() -> bool:
    return hasattr(hubs._threadlocal, "hub")


def dispatch(handler: Any, func: Any, *args: Any) -> None:
    handler.dispatch_callback(Callback("test", func, args))
