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

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handler_core.testing.conformance import HandlerConformance

__all__ = ["HandlerConformance"]


def __getattr__(name: str) -> Any:
    if name != "HandlerConformance":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    for part in ("callbacks", "lifecycle", "primitives", "results", "selecting", "sockets"):
        pytest.register_assert_rewrite(f"{__name__}.{part}")
    pytest.register_assert_rewrite(f"{__name__}.suite")
    from handler_core.testing.conformance import HandlerConformance

    return HandlerConformance
