from handler_core.testing import HandlerConformance


class TestThreading(HandlerConformance):
    handler_name = "threading"
