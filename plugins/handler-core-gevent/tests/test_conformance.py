"""The contract, in a process that gevent has patched and in one that it has not."""

from gevent_process import GeventProcess

from handler_core.testing import HandlerConformance


class TestGevent(GeventProcess, HandlerConformance):
    pass
