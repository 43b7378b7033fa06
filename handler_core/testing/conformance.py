"""The suite as a whole."""

from handler_core.testing.callbacks import CallbackTests
from handler_core.testing.connections import ConnectionTests
from handler_core.testing.lifecycle import LifecycleTests
from handler_core.testing.pairs import PairTests
from handler_core.testing.primitives import PrimitiveTests
from handler_core.testing.processes import ProcessTests
from handler_core.testing.results import ResultTests
from handler_core.testing.selecting import SelectTests

__all__ = ["HandlerConformance"]


# The last first: pytest begins with the base that is furthest away, and so with C1.
class HandlerConformance(
    PrimitiveTests,
    PairTests,
    ConnectionTests,
    SelectTests,
    ResultTests,
    CallbackTests,
    ProcessTests,
    LifecycleTests,
):
    """The whole contract, C1 to C20, for one model.

    Subclass it, and name the model. The attributes of ``handler_core.testing.suite.Suite``
    say what a model may need besides.
    """
