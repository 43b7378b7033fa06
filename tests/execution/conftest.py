from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from handler_core import AsyncResult, Handler, get_handler


@pytest.fixture
def handler() -> Iterator[Handler]:
    """Yield a handler that was not started."""
    handler = get_handler("threading")
    yield handler
    handler.stop()


@pytest.fixture(params=["detached", "stopped", "running"])
def result(request: pytest.FixtureRequest) -> Iterator[AsyncResult[Any]]:
    if request.param == "detached":
        yield AsyncResult()
        return
    handler = get_handler("threading")
    if request.param == "running":
        handler.start()
    yield handler.async_result()
    handler.stop()
