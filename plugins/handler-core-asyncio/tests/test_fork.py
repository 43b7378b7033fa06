"""What happens to the loop at fork."""

from __future__ import annotations

import pytest
from asyncio_process import AsyncioProcess

from handler_core.testing import Suite


class TestFork(AsyncioProcess, Suite):
    @pytest.mark.parametrize(
        ("last", "status"), [("pass", 0), ("raise SystemExit(3)", 3), ("raise ValueError", 1)]
    )
    def test_a_task_that_forks_ends_the_child_with_it(self, last: str, status: int) -> None:
        printed = self.run_script(
            f"""
            import os, sys
            handler.start()
            pids = []
            def fork():
                pids.append(os.fork())
                if not pids[0]:
                    sys.excepthook = lambda *args: None
                    handler.sleep_func(0.001)
                    {last}
            handler.spawn(fork).join()
            print(exit_status(pids[0]))
            handler.dispatch_callback(Callback("test", print, ("parent goes on",)))
            handler.stop()
            """
        )
        assert printed == f"{status}\nparent goes on\n"

    def test_the_parents_sockets_are_still_watched(self) -> None:
        printed = self.run_script(
            """
            import os
            left, right = handler.create_socket_pair()
            def watch():
                return handler.select([left], [], [], 60)
            got = []
            task = handler.spawn(lambda: got.append(watch() == ([left], [], [])))
            handler.sleep_func(0.01)
            pid = os.fork()
            if not pid:
                left.close()
                right.close()
                os._exit(0)
            assert exit_status(pid) == 0
            right.send(b"x")
            task.join()
            print(got)
            """
        )
        assert printed == "[True]\n"
