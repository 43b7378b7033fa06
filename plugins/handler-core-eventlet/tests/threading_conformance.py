"""The contract of the threading handler where eventlet has patched the process."""

import pytest

from handler_core.testing import HandlerConformance


# eventlet's resolver calls what dnspython has deprecated.
@pytest.mark.filterwarnings("ignore:please use dns.resolver.Resolver.resolve:DeprecationWarning")
class TestThreading(HandlerConformance):
    handler_name = "threading"
    prelude = "import eventlet; eventlet.monkey_patch()"
