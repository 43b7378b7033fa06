"""C5: fork."""

from __future__ import annotations

import os

import pytest

from handler_core.testing._suite import Suite

__all__ = ["ForkTests"]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")


class ForkTests(Suite):
    """C5: fork."""

    @needs_fork
    def test_c5_the_child_has_a_stopped_empty_handler(self) -> None:
        """Callbacks queued before the fork run in the parent only. The child may start anew."""
        printed = self.run_script(
            """
            import os, sys
            ran = []
            gate, blocked = handler.event_object(), handler.event_object()
            links_blocked = handler.event_object()
            def first(blocked):
                blocked.set()
                gate.wait(60)
                ran.append("first")
            handler.start()
            handler.dispatch_callback(Callback("test", first, (blocked,)))
            handler.dispatch_callback(Callback("test", ran.append, ("second",)))
            for link in (lambda _: first(links_blocked)), (lambda _: ran.append("second")):
                result = handler.async_result()
                result.link(link)
                result.set()
            assert blocked.wait(60) and links_blocked.wait(60)
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    assert not handler.running
                    handler.start()
                    done = handler.event_object()
                    linked = handler.event_object()
                    result = handler.async_result()
                    result.link(lambda result: linked.set())
                    handler.dispatch_callback(Callback("test", ran.append, ("child",)))
                    handler.dispatch_callback(Callback("test", result.set, (1,)))
                    handler.dispatch_callback(Callback("test", done.set, ()))
                    assert done.wait(60) and linked.wait(60)
                    assert result.get(timeout=60) == 1
                    handler.stop()
                    assert ran == ["child"], ran
                    status = 0
                finally:
                    os._exit(status)
            assert exit_status(pid) == 0
            gate.set()
            handler.stop()
            print(sorted(ran))
            """
        )
        assert printed == "['first', 'first', 'second', 'second']\n"

    @needs_fork
    def test_c5_the_child_of_a_handler_that_is_stopped_or_drains(self) -> None:
        """The child's handler is stopped and empty too.

        No callback there waits for a start, and the setter calls links.
        """
        printed = self.run_script(
            """
            import os
            from threading import get_ident
            ran = []
            def fork():
                pid = os.fork()
                if pid == 0:
                    status = 1
                    try:
                        ran.clear()
                        result = handler.async_result()
                        result.link(lambda result: ran.append(get_ident()))
                        result.set()
                        assert ran == [get_ident()], ran
                        handler.start()
                        handler.dispatch_callback(Callback("test", ran.append, ("callback",)))
                        handler.stop()
                        assert ran[1:] == ["callback"], ran
                        status = 0
                    finally:
                        os._exit(status)
                assert exit_status(pid) == 0
            handler.dispatch_callback(Callback("test", ran.append, ("waited",)))
            fork()
            handler.start()
            gate = handler.event_object()
            handler.dispatch_callback(Callback("test", gate.wait, (60,)))
            stopper = handler.spawn(handler.stop)
            while handler.running:
                handler.sleep_func(0.001)
            fork()
            gate.set()
            stopper.join()
            print(ran)
            """
        )
        assert printed == "['waited']\n"

    @needs_fork
    def test_c5_a_fork_inside_a_callback(self) -> None:
        """The child's copy of the worker runs nothing more. The parent's worker goes on."""
        printed = self.run_script(
            """
            import os
            handler.start()
            pids = []
            def fork():
                pid = os.fork()
                pids.append(pid)
                if pid == 0:
                    handler.start()
                    handler.dispatch_callback(Callback("test", os._exit, (7,)))
                    handler.sleep_func(20)
                    os._exit(1)
            handler.dispatch_callback(Callback("test", fork, ()))
            handler.dispatch_callback(Callback("test", print, ("parent goes on",)))
            handler.stop()
            print(exit_status(pids[0]), flush=True)
            """
        )
        assert printed == "parent goes on\n7\n"

    @needs_fork
    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c5_a_callback_that_forks_returns_in_the_child_too(self, linked: bool) -> None:
        """What follows runs in the parent only, while the child uses its handler anew."""
        printed = self.run_script(
            f"""
            import os
            ran = []
            handler.start()
            pids = []
            def go_on():
                handler.sleep_func(0.1)  # time in which the parent's queue could run
                print("the child has run", ran, flush=True)
                os._exit(7)
            def fork():
                pids.append(os.fork())
                if pids[0] == 0:
                    ran.clear()
                    handler.start()
                    handler.dispatch_callback(Callback("test", go_on, ()))
            result = handler.async_result()
            if {linked}:
                handler.dispatch_callback(Callback("test", ran.append, ("callback",)))
                result.link(lambda result: fork())
                result.link(lambda result: ran.append("link"))
                result.set()
            else:
                result.link(lambda result: ran.append("link"))
                handler.dispatch_callback(Callback("test", fork, ()))
                handler.dispatch_callback(Callback("test", ran.append, ("callback",)))
                handler.dispatch_callback(Callback("test", result.set, ()))
            handler.stop()
            assert exit_status(pids[0]) == 7
            print("the parent has run", sorted(ran))
            """
        )
        assert printed == "the child has run []\nthe parent has run ['callback', 'link']\n"

    @needs_fork
    def test_c5_spawned_tasks_do_not_run_in_the_child(self) -> None:
        """A client's loop in the child would read the parent's bytes from a common socket."""
        printed = self.run_script(
            """
            import os
            read, write = os.pipe()
            stop = False
            def tick():
                while not stop:
                    os.write(write, b"%d " % os.getpid())
                    handler.sleep_func(0.001)
            task = handler.spawn(tick)
            handler.sleep_func(0.02)
            pid = os.fork()
            if pid == 0:
                handler.start()
                handler.sleep_func(0.1)
                handler.stop()
                os._exit(0)
            assert exit_status(pid) == 0
            handler.sleep_func(0.02)
            stop = True
            task.join()
            seen = set(os.read(read, 60000).split())
            assert seen == {b"%d" % os.getpid()}, (seen, pid)
            print("ok")
            """
        )
        assert printed == "ok\n"
