"""What the tests of this wing share: a callback to dispatch, and threads to run in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from handler_core import AsyncResult, Callback, Handler

#: Seconds after which something that should happen is taken not to happen.
LIMIT = 30.0


class Oops(Exception):
    """No other code raises it."""


def dispatch(handler: Handler, function: Callable[..., object], *args: object) -> None:
    handler.dispatch_callback(Callback("test", function, args))


def ended(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def start_threads(*functions: Callable[[], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=function, daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    return threads


def in_threads(*functions: Callable[[], object]) -> None:
    """Run all of them at once, and raise what the first one raised."""
    barrier = threading.Barrier(len(functions))
    errors: list[BaseException] = []

    def run(function: Callable[[], object]) -> None:
        barrier.wait(10)
        try:
            function()
        except BaseException as error:  # raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(f,), daemon=True) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def drained(result: AsyncResult[Any]) -> None:
    """Wait until the links that are queued have run."""
    result._handler.stop()


def parked(handler: Any, mailbox: str = "_callbacks") -> None:
    """Wait until the worker is parked."""
    deadline = time.monotonic() + 10
    while getattr(handler, mailbox).waiter is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
