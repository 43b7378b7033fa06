"""The contract, kept by the threading handler in a process that gevent has patched.

Here a thread of the operating system is what the patched process calls a thread.
"""

from gevent_process import PATCHED, GeventProcess

from handler_core.testing import HandlerConformance

assert PATCHED


class TestThreading(HandlerConformance):
    handler_name = "threading"
    prelude = GeventProcess.prelude
