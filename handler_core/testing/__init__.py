"""For tests: the conformance suite, and a real ZooKeeper server.

A plugin's tests subclass the suite, in three lines::

    from handler_core.testing import HandlerConformance

    class TestConformance(HandlerConformance):
        handler_name = "threading"

Each test is named for the line of the contract that it holds a handler to. The suite needs what
``pip install "handler-core[testing]"`` brings; ``handler_core.testing.zookeeper`` needs
nothing, and so the suite is imported only when it is asked for.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handler_core.testing.conformance import HandlerConformance

__all__ = ["HandlerConformance"]

_PARTS = (
    "callbacks",
    "connections",
    "lifecycle",
    "pairs",
    "primitives",
    "processes",
    "results",
    "selecting",
    "suite",
)

# Before anybody imports one of them. Where pytest is not there, it will not run their tests.
if "pytest" in sys.modules:
    sys.modules["pytest"].register_assert_rewrite(*(f"{__name__}.{part}" for part in _PARTS))


def __getattr__(name: str) -> Any:
    if name != "HandlerConformance":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from handler_core.testing.conformance import HandlerConformance

    return HandlerConformance
