"""What happens to the loop at fork."""

from __future__ import annotations

import pytest
from asyncio_process import AsyncioProcess
from own_loop import own_loop

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

    @own_loop
    def test_a_function_that_forks_may_run_a_loop_in_the_child(self) -> None:
        printed = self.run_script(
            """
            import asyncio, os, sys
            async def in_child():
                async with get_handler("asyncio") as other:
                    await other.call(other.sleep_func, 0.01)
                    task = asyncio.create_task(other.call(other.sleep_func, 1000))
                    await asyncio.sleep(0.01)
                    task.cancel()
                    try:
                        await task
                    except asyncio.CancelledError:
                        return "cancelled"
            def forks():
                pid = os.fork()
                if not pid:
                    assert asyncio.run(in_child()) == "cancelled"
                    handler.sleep_func(0.01)
                    os._exit(7)
                return exit_status(pid)
            async def main():
                async with get_handler("asyncio") as handler:
                    waiting = asyncio.create_task(handler.call(handler.event_object().wait, 1000))
                    await asyncio.sleep(0)
                    status = await handler.call(forks)
                    waiting.cancel()
                    return status
            print(asyncio.run(main()))
            """
        )
        assert printed == "7\n"

    @own_loop
    def test_a_child_ends_after_what_it_has_dispatched(self) -> None:
        """The function that has forked returns, while the child's handler runs on."""
        printed = self.run_script(
            """
            import asyncio, os
            ran = []
            def last():
                handler.sleep_func(0.05)
                print("the callback has run", flush=True)
            def forks():
                pid = os.fork()
                if not pid:
                    handler.start()
                    handler.dispatch_callback(Callback("test", last, ()))
                    return 0
                return exit_status(pid)
            async def main():
                return await handler.call(forks)
            print(asyncio.run(main()))
            """
        )
        assert printed == "the callback has run\n0\n"

    def test_a_task_that_forks_in_a_greenlet_of_its_own_goes_on(self) -> None:
        printed = self.run_script(
            """
            import os
            from greenlet import greenlet
            pids, went_on = [], []
            def forks():
                pids.append(greenlet(os.fork).switch())
                if not pids[0]:
                    handler.sleep_func(0.01)
                    os._exit(7)
                went_on.append(exit_status(pids[0]))
            handler.spawn(forks).join()
            print(went_on)
            """
        )
        assert printed == "[7]\n"

    def test_a_subprocess_leaves_the_tasks_alone(self) -> None:
        """Between fork and exec, Python runs in the child."""
        printed = self.run_script(
            """
            import os, subprocess, tempfile
            handler.start()
            ready, path = handler.async_result(), os.path.join(tempfile.mkdtemp(), "lock")
            def task():
                open(path, "w").close()
                try:
                    ready.set()
                    handler.event_object().wait()
                finally:
                    os.unlink(path)
            handler.spawn(task)
            ready.get(timeout=60)
            subprocess.run(["true"], preexec_fn=int, check=True)
            print(os.path.exists(path), flush=True)
            os._exit(0)
            """
        )
        assert printed == "True\n"
