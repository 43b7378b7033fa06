"""The contract of the threading handler where gevent has patched the process."""

from handler_core.testing import HandlerConformance


class TestThreading(HandlerConformance):
    handler_name = "threading"
    prelude = "from gevent import monkey; monkey.patch_all()"
