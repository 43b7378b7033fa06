"""The contract: on the private loop, and inside ``trio.run``."""

from trio_process import TrioProcess

from handler_core.testing import HandlerConformance


class TestTrio(TrioProcess, HandlerConformance):
    pass
