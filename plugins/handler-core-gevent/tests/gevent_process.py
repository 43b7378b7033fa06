"""What the tests must know of the process that they run in: has gevent patched it?"""

from gevent import monkey

PATCHED = monkey.is_module_patched("socket")


class GeventProcess:
    """For test classes: runs scripts in a process patched as this one, and starts real threads."""

    handler_name = "gevent"
    prelude = "from gevent import monkey; monkey.patch_all()" if PATCHED else ""
    start_os_thread = staticmethod(monkey.get_original("_thread", "start_new_thread"))
