"""The conformance suite: is a handler what the contract says?

A plugin's tests subclass it, in three lines::

    from handler_core.testing import HandlerConformance

    class TestConformance(HandlerConformance):
        handler_name = "threading"

Each test is named for the line of the contract that it holds a handler to. The suite needs what
``pip install "handler-core[testing]"`` brings.
"""

import pytest

for _module in ("callbacks", "lifecycle", "primitives", "results", "selecting", "sockets", "suite"):
    pytest.register_assert_rewrite(f"{__name__}.{_module}")

from handler_core.testing.callbacks import CallbackTests  # noqa: E402
from handler_core.testing.lifecycle import LifecycleTests  # noqa: E402
from handler_core.testing.primitives import PrimitiveTests  # noqa: E402
from handler_core.testing.results import ResultTests  # noqa: E402
from handler_core.testing.selecting import SelectTests  # noqa: E402
from handler_core.testing.sockets import SocketTests  # noqa: E402

__all__ = ["HandlerConformance"]


class HandlerConformance(
    LifecycleTests, CallbackTests, ResultTests, SelectTests, SocketTests, PrimitiveTests
):
    """The whole contract, C1 to C20, for one model."""
