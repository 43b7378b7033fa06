from handler_core.testing import HandlerConformance


class TestEventlet(HandlerConformance):
    handler_name = "eventlet"
