"""The contract, on a loop that is not asyncio's."""

from __future__ import annotations

from pathlib import Path

from small_loop import SmallHandler

from handler_core import Handler
from handler_core.testing import HandlerConformance

HERE = str(Path(__file__).parent)


class TestSmallLoop(HandlerConformance):
    handler_name = "small"
    # It is installed nowhere.
    prelude = f"import sys; sys.path.insert(0, {HERE!r}); import small_loop"
    handler_source = "small_loop.SmallHandler()"

    def make_handler(self) -> Handler:
        return SmallHandler()
