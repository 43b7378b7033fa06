from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from handler_core_eventlet import SequentialEventletHandler


def pytest_configure(config: pytest.Config) -> None:
    # eventlet says once that it is deprecated. That is for its users. Any other warning is an
    # error here.
    config.addinivalue_line("filterwarnings", r"ignore:\s*Eventlet is deprecated")


@pytest.fixture
def handler() -> Iterator[SequentialEventletHandler]:
    from handler_core_eventlet import SequentialEventletHandler

    handler = SequentialEventletHandler()
    handler.start()
    yield handler
    handler.stop()
