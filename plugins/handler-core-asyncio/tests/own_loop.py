"""For tests whose coroutines run in a loop of their own: asyncio's, and then uvloop's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from asyncio_process import LOOP, AsyncioProcess
from handler_core_asyncio import SequentialAsyncioHandler

from handler_core import get_handler
from handler_core.testing import LIMIT, Suite

# No loop may run around that of a test. So these tests are for a process that no loop runs.
own_loop = pytest.mark.skipif(LOOP is not None, reason="this process is in a loop already")


def new_handler() -> SequentialAsyncioHandler:
    handler = get_handler("asyncio")
    assert isinstance(handler, SequentialAsyncioHandler)
    return handler


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in a loop of its own, for ``LIMIT`` seconds at the most."""

    async def limited() -> Any:
        async with asyncio.timeout(LIMIT):
            return await coroutine

    with asyncio.Runner(debug=True, loop_factory=OwnLoop.new_loop) as runner:
        return runner.run(limited())


@own_loop
class OwnLoop(AsyncioProcess, Suite):
    """The base of tests whose coroutines run in a loop of their own: asyncio's, then uvloop's."""

    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None

    @pytest.fixture(autouse=True, params=["asyncio", "uvloop"])
    def loop_of_the_test(self, request: pytest.FixtureRequest, monkeypatch: Any) -> None:
        if request.param == "uvloop":
            monkeypatch.setattr(OwnLoop, "new_loop", uvloop.new_event_loop)


def only_asyncio(reason: str = "this reaches into the loop, and uvloop's is C") -> None:
    """Skip a test that uvloop's loop cannot pass."""
    if OwnLoop.new_loop is not None:
        pytest.skip(reason)


def raise_(exception: BaseException) -> None:
    raise exception
