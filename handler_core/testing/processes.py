"""C4 to C6: exit, fork, and what is left behind."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import sys
import threading
import tracemalloc
import weakref

import pytest

from handler_core import Handler
from handler_core.testing.suite import Suite, calling, open_descriptors

__all__ = ["ProcessTests"]

# Cycles until caches and pools have their size.
_WARM_UP = 50

# The interpreter keeps up to 4,096 names that were looked up on classes, which are no handler's:
# pluggy makes a new string for each look-up of a marker, and so wrapped handlers fill that cache.
_clear_internal_caches = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")


class ProcessTests(Suite):
    """C4 to C6 of the contract."""

    # C4: the interpreter exits.

    @pytest.mark.parametrize(
        "body",
        [
            "handler.start()",
            """
            handler.start()
            handler.dispatch_callback(Callback("test", print, ("ran",)))
            handler.sleep_func(0.05)
            """,
            """
            handler.start()
            begun = handler.event_object()
            def block():
                begun.set()
                handler.event_object().wait()
            handler.dispatch_callback(Callback("test", block, ()))
            handler.dispatch_callback(Callback("test", print, ("never",)))
            begun.wait()
            """,
            """
            handler.start()
            begun = handler.event_object()
            result = handler.async_result()
            result.link(lambda result: (begun.set(), handler.async_result().get()))
            result.link(print)
            result.set()
            begun.wait()
            """,
            """
            handler.start()
            lock = handler.lock_object()
            lock.acquire()
            ours, theirs = handler.create_socket_pair()
            for func, *args in (
                (handler.sleep_func, 3600),
                (handler.select, [ours], [], []),
                (handler.async_result().get,),
                (handler.event_object().wait,),
                (handler.queue_impl().get,),
                (lock.acquire,),
            ):
                begun = handler.event_object()
                handler.spawn(lambda: (begun.set(), func(*args)))
                begun.wait()
            handler.sleep_func(0.05)
            """,
            """
            import atexit
            atexit.register(handler.stop)
            handler.start()
            for _ in range(100):
                handler.dispatch_callback(Callback("test", len, ("",)))
            """,
        ],
        ids=[
            "stop forgotten",
            "idle worker",
            "callback blocks for ever",
            "link blocks for ever",
            "tasks wait for ever",
            "stop at exit",
        ],
    )
    def test_c4_the_interpreter_exits(self, body: str) -> None:
        """Without a hang and without a traceback."""
        self.run_script(body)

    # C5: fork.

    @needs_fork
    def test_c5_the_child_has_a_stopped_empty_handler(self) -> None:
        """What the parent has queued runs in the parent alone; the child can start afresh."""
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
        """It is stopped and empty too: nothing waits for a start, and links run in the setter."""
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
        """The child's copy of the worker runs nothing more; the parent's goes on."""
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
        """What comes next runs in the parent alone, while the child uses the handler afresh."""
        printed = self.run_script(
            f"""
            import os
            ran = []
            handler.start()
            pids = []
            def go_on():
                handler.sleep_func(0.1)  # while what the parent has queued could run
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
        """A client's loop would take the parent's bytes from their common socket."""
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

    # C6: nothing is left behind.

    def test_c6_a_stopped_handler_leaves_nothing_behind(self) -> None:
        """No thread, descriptor, exit function or object, however many were used."""
        alive: list[weakref.ref[Handler]] = []

        def cycle() -> None:
            alive.append(weakref.ref(self.live_and_stop()))

        def left() -> tuple[int, int, int, int]:
            gc.collect()
            registered = atexit._ncallbacks()
            objects = len(gc.get_objects())
            return threading.active_count(), open_descriptors(), registered, objects

        for _ in range(_WARM_UP):
            cycle()
        threads, descriptors, registered, objects = left()
        for _ in range(1000):
            cycle()
        after = left()
        assert not [ref for ref in alive if ref() is not None], "handlers are kept alive"
        assert after[0] <= threads, "threads are left"
        assert after[1] <= descriptors, "descriptors are left"
        assert after[2] <= registered, "exit functions are left"
        # The list of weak references is ours: one object a cycle, and a hundred to spare.
        assert after[3] < objects + 1000 + 100, "objects are left"

    def test_c6_a_stopped_handler_leaves_no_memory_behind(self) -> None:
        """What the collector does not look at neither: bytes and text."""

        def grown() -> int:
            before = left()
            for _ in range(300):
                self.live_and_stop()
            return (left() - before) // 300

        def left() -> int:
            gc.collect()
            _clear_internal_caches()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            for _ in range(_WARM_UP):
                self.live_and_stop()
            # What is left is left each time. What a library keeps for a while, such as timers that
            # were cancelled, it drops now and then.
            sizes = [grown()]
            while min(sizes) >= 100 and len(sizes) < 6:
                sizes.append(grown())
        finally:
            tracemalloc.stop()
        assert min(sizes) < 100, f"{min(sizes)} bytes a handler are left"

    @pytest.mark.parametrize(
        "what",
        ["never started", "something waits", "waited for start", "callback failed", "link failed"],
    )
    def test_c6_a_handler_is_freed(self, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever became of it, once nobody has it any more."""
        # What is logged, pytest keeps to the end of the test.
        monkeypatch.setattr(logging.getLogger("handler_core"), "disabled", True)

        def live() -> weakref.ref[Handler]:
            handler = self.make_handler()
            if what in ("something waits", "waited for start"):
                self.dispatch(handler, handler.event_object)
            if what in ("waited for start", "callback failed", "link failed"):
                handler.start()
            if what in ("callback failed", "link failed"):
                self.queue(handler, what == "link failed", handler.event_object, "no arguments")
            handler.stop()
            return weakref.ref(handler)

        freed = live()
        gc.collect()
        assert freed() is None

    def live_and_stop(self) -> Handler:
        """Make a handler, use it for a moment, and stop it."""
        handler = self.make_handler()
        for end in handler.create_socket_pair():
            end.close()
        handler.start()
        self.ended(handler.spawn(int))
        ran = handler.event_object()
        result = handler.async_result()
        result.link(calling(ran.set))
        self.dispatch(handler, result.set, 1)
        self.happens(ran)
        handler.stop()
        return handler
