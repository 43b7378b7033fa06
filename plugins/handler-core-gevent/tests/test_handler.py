"""Which handler is chosen, and what it leaves behind."""

from __future__ import annotations

from gevent_process import PATCHED, OwnTests

from handler_core import Handler
from handler_core.testing import open_descriptors


class TestChoice(OwnTests):
    def test_get_handler_without_a_name(self) -> None:
        printed = self.run_script(
            """
            import os, gevent
            os.environ.pop("HANDLER_CORE_HANDLER", None)
            print(get_handler().name, gevent.spawn(lambda: get_handler().name).get())
            """
        )
        assert printed == f"{'gevent' if PATCHED else 'threading'} gevent\n"


class TestNothingIsLeft(OwnTests):
    def test_c6_threads_with_hubs_leave_no_descriptor(self, idle: Handler) -> None:
        """Only the hub's object remains. gevent keeps it, also without handler-core."""

        def use() -> None:
            idle.start()
            self.drained(idle)
            assert not idle.event_object().wait(0.001)
            assert idle.select([], [], [], 0.001) == ([], [], [])
            idle.stop()

        self.in_hub_of_thread(use).result(idle)
        before = open_descriptors()
        for _ in range(20):
            self.in_hub_of_thread(use).result(idle)
        assert open_descriptors() <= before
