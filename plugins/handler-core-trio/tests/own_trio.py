"""For tests whose coroutines run in a run of trio of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from handler_core_trio import SequentialTrioHandler
from trio_process import IN_TRIO, TrioProcess

from handler_core import get_handler
from handler_core.testing import LIMIT, Suite

# Trio runs once in a thread. So these tests are for a process in which it does not run.
own_trio = pytest.mark.skipif(IN_TRIO, reason="trio runs this process already")


def new_handler() -> SequentialTrioHandler:
    handler = get_handler("trio")
    assert isinstance(handler, SequentialTrioHandler)
    return handler


def run(func: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
    """Run a coroutine function, for ``LIMIT`` seconds at the most."""

    async def limited() -> Any:
        with trio.fail_after(LIMIT):
            return await func(*args)

    return trio.run(limited, **options)


def with_handler(func: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
    """Run a coroutine function with a handler, inside of its ``async with``."""

    async def main() -> Any:
        async with new_handler() as handler:
            return await func(handler, *args)

    return run(main, **options)


def in_virtual_time(func: Callable[..., Awaitable[Any]], *args: Any) -> Any:
    """Do what :func:`with_handler` does. No time is over before all that can run has run."""
    clock = trio.testing.MockClock(autojump_threshold=0)
    return with_handler(func, *args, clock=clock)


@own_trio
class OwnTrio(TrioProcess, Suite):
    """The base of tests whose coroutines run in a run of trio of their own."""


def raise_(exception: BaseException) -> None:
    raise exception
