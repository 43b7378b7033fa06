"""A handler of one event loop in a coroutine of another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import trio

from handler_core import get_handler


@pytest.mark.parametrize(
    ("run", "model"), [(asyncio.run, "trio"), (lambda main: trio.run(lambda: main), "asyncio")]
)
def test_it_is_refused_before_it_starts(run: Callable[[Any], object], model: str) -> None:
    handler = get_handler(model)

    async def main() -> None:
        advice = rf"no {model} loop runs this coroutine: .* by get_handler\(\)"
        with pytest.raises(RuntimeError, match=advice):
            async with handler:
                pytest.fail("it was entered")
        with pytest.raises(RuntimeError, match=advice):
            await handler.call(len, "abc")
        with pytest.raises(RuntimeError, match=advice):
            handler.calling(handler)
        with pytest.raises(RuntimeError, match=advice):
            handler.iterating([])

    run(main())
    assert not handler.running
