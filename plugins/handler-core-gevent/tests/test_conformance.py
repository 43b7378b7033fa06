"""The contract, in a process that gevent has patched and in one that it has not."""

from gevent import monkey

from handler_core.testing import HandlerConformance


class TestGevent(HandlerConformance):
    handler_name = "gevent"
    prelude = (
        "from gevent import monkey; monkey.patch_all()"
        if monkey.is_module_patched("socket")
        else ""
    )
    start_os_thread = staticmethod(monkey.get_original("_thread", "start_new_thread"))
