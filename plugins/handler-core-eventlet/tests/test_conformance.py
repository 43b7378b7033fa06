"""The contract, in a process that eventlet has patched and in one that it has not."""

from eventlet import patcher

from handler_core.testing import HandlerConformance

PATCHED = patcher.is_monkey_patched("thread")


class TestEventlet(HandlerConformance):
    handler_name = "eventlet"
    prelude = "import eventlet; eventlet.monkey_patch()" if PATCHED else ""
    start_os_thread = staticmethod(patcher.original("_thread").start_new_thread)
