"""The names of the package, the choice of the handler, and the warning on import."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
from typing import Any

import eventlet
import pytest
from eventlet_process import (
    PATCHED,
    OSThread,
    until,
)
from handler_core_eventlet import AsyncResult, SequentialEventletHandler, TimeoutError

import handler_core
from handler_core import HandlerTimeoutError, get_handler
from handler_core.testing import LIMIT


def test_the_names_are_kazoos() -> None:
    assert isinstance(get_handler("eventlet"), SequentialEventletHandler)
    assert SequentialEventletHandler.timeout_exception is TimeoutError
    assert issubclass(TimeoutError, HandlerTimeoutError)
    assert TimeoutError is not builtins.TimeoutError
    assert not issubclass(TimeoutError, OSError)
    assert SequentialEventletHandler.sleep_func is eventlet.sleep
    assert issubclass(AsyncResult, handler_core.AsyncResult)


def test_a_result_without_a_handler_waits_in_the_hub() -> None:
    result = AsyncResult()
    eventlet.spawn_n(result.set, 1)
    assert result.get(timeout=LIMIT) == 1
    ran: list[Any] = []
    result.link(ran.append)
    assert ran == [result]
    with pytest.raises(TimeoutError):
        AsyncResult().get(timeout=0.01)


def test_the_model_that_runs_the_caller_is_chosen() -> None:
    chosen: list[str] = []
    eventlet.spawn_n(lambda: chosen.append(get_handler().name))
    until(lambda: chosen)
    assert chosen == ["eventlet"]
    assert get_handler().name == ("eventlet" if PATCHED else "threading")
    if not PATCHED:
        assert OSThread(lambda: get_handler().name).join() == "threading"


def test_the_warning_is_eventlets_own_and_comes_once() -> None:
    program = (
        "from handler_core import get_handler; get_handler('eventlet'); get_handler('eventlet')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    assert ended.stderr.count("Eventlet is deprecated") == 1
