"""What the tests share: whether gevent has patched their process, and how they start threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from gevent import monkey

from handler_core.testing import Suite

PATCHED = monkey.is_module_patched("socket")

native_sleep = monkey.get_original("time", "sleep")


class GeventProcess:
    """For test classes: runs scripts in a process patched as this one, and starts real threads."""

    handler_name = "gevent"
    prelude = "from gevent import monkey; monkey.patch_all()" if PATCHED else ""
    start_os_thread = staticmethod(monkey.get_original("_thread", "start_new_thread"))


class OwnTests(GeventProcess, Suite):
    """The base of tests of what is gevent's own."""

    def in_hub_of_thread(self, func: Callable[..., Any], *args: Any) -> Any:
        """Run a function in a greenlet of another OS thread."""

        def run() -> Any:
            try:
                return gevent.spawn(func, *args).get()
            finally:
                gevent.get_hub().destroy()

        return self.os_thread(run)
