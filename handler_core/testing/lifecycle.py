"""C1 to C6: starting, stopping, exit, fork, and what is left behind."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import sys
import threading
import time
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from handler_core import Handler
from handler_core.lifecycle import Task
from handler_core.testing.suite import LIMIT, LONG, Suite, calling, open_descriptors

__all__ = ["LifecycleTests"]

# Cycles until caches and pools have their size.
_WARM_UP = 50

# The interpreter keeps up to 4,096 names that were looked up on classes, which are no handler's:
# pluggy makes a new string for each look-up of a marker, and so wrapped handlers fill that cache.
_clear_internal_caches = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")


class LifecycleTests(Suite):
    """C1 to C6 of the contract."""

    # C1: start and stop.

    def test_c1_start_and_stop_are_idempotent(self, idle: Handler) -> None:
        """A second start or stop does nothing; stop before start neither."""
        idle.stop()
        assert not idle.running
        idle.start()
        idle.start()
        assert idle.running
        self.drained(idle)
        idle.stop()
        idle.stop()
        assert not idle.running

    def test_c1_a_handler_can_be_started_again(self, idle: Handler) -> None:
        """Stopped and started, it runs callbacks and links as before."""
        for _ in range(3):
            idle.start()
            linked = idle.event_object()
            result = idle.async_result()
            result.link(calling(linked.set))
            self.dispatch(idle, result.set, 1)
            self.happens(linked)
            idle.stop()
            assert not idle.running

    def test_c1_start_and_stop_from_other_tasks(self, idle: Handler) -> None:
        """Whoever holds the handler may start and stop it."""
        ran: list[int] = []
        starter = idle.spawn(idle.start)
        self.ended(starter)
        assert idle.running
        self.dispatch(idle, ran.append, 1)
        stopper = idle.spawn(idle.stop)
        self.ended(stopper)
        assert not idle.running
        assert ran == [1]

    def test_c1_any_thread_may_be_the_home(self, handler: Handler) -> None:
        """A thread that nothing was done in before starts, uses and stops a handler of its own."""

        def live() -> list[int]:
            ran: list[int] = []
            own = self.make_handler()
            own.start()
            result = own.async_result()
            result.link(lambda done: ran.append(done.value))
            self.dispatch(own, result.set, 1)
            ran.append(result.get(timeout=LONG))
            own.stop()
            return ran

        assert self.os_thread(live).result(handler) == [1, 1]

    def test_c1_a_thread_that_started_the_handler_may_end(self, idle: Handler) -> None:
        """A stop says that it has, or runs what is left; it never waits for ever."""
        ran: list[str] = []
        self.os_thread(idle.start).result(idle)
        self.dispatch(idle, ran.append, "left")
        try:
            idle.stop()
        except RuntimeError:
            pass
        else:
            assert ran == ["left"], "stop has lost its workers, and does not say so"
        assert not idle.running
        idle.start()
        self.dispatch(idle, ran.append, "afresh")
        idle.stop()
        assert ran == ["left", "afresh"]

    def test_c1_with_statement(self, idle: Handler) -> None:
        """``with handler`` starts and stops it."""
        with idle as entered:
            assert entered is idle
            assert idle.running
        assert not idle.running

    def test_c1_with_statement_stops_after_an_error(self, idle: Handler) -> None:
        """And lets the error through."""
        with pytest.raises(ValueError, match="as planned"), idle:
            raise ValueError("as planned")
        assert not idle.running

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c1_a_second_start_makes_no_second_worker(self, handler: Handler, linked: bool) -> None:
        """What is queued before and after it waits for what runs."""
        gate, blocked = handler.event_object(), handler.event_object()
        ran: list[int] = []

        def block() -> None:
            blocked.set()
            gate.wait(LONG)
            ran.append(1)

        self.queue(handler, linked, block)
        self.happens(blocked)
        self.queue(handler, linked, ran.append, 2)
        handler.start()
        self.queue(handler, linked, ran.append, 3)
        handler.sleep_func(0.02)  # while a second one could run them
        assert ran == []
        gate.set()
        handler.stop()
        assert ran[0] == 1
        assert sorted(ran) == [1, 2, 3]

    def test_c1_a_stop_from_an_os_thread_waits_for_the_drain(self, handler: Handler) -> None:
        """It returns when the workers have run what there was."""
        ran: list[str] = []

        def stop() -> None:
            handler.stop()
            ran.append("stop returned")

        gate = handler.event_object()
        self.dispatch(handler, gate.wait, LONG)
        self.dispatch(handler, ran.append, "callback")
        stopper = self.os_thread(stop)
        self.until(handler, lambda: not handler.running)
        handler.sleep_func(0.02)
        assert ran == []
        gate.set()
        stopper.result(handler)
        assert ran == ["callback", "stop returned"]

    def test_c1_many_tasks_start_and_stop_at_once(self, idle: Handler) -> None:
        """Whatever the order, it ends in one state, and works."""
        ran: list[int] = []

        def toggle() -> None:
            for number in range(20):
                idle.start()
                self.dispatch(idle, ran.append, number)
                idle.stop()

        tasks = [idle.spawn(toggle) for _ in range(4)]
        self.ended(*tasks)
        idle.start()
        idle.stop()
        assert len(ran) == 80

    # C2: nothing is lost.

    def test_c2_stop_runs_what_was_dispatched(self, handler: Handler) -> None:
        """All that was dispatched before stop has run when stop returns."""
        ran: list[int] = []
        for number in range(1000):
            self.dispatch(handler, ran.append, number)
        handler.stop()
        assert ran == list(range(1000))

    def test_c2_stop_runs_the_links_of_what_was_set(self, handler: Handler) -> None:
        """All results set before stop have had their links called when stop returns."""
        ran: list[int] = []
        results = [handler.async_result() for _ in range(1000)]
        for result in results:
            result.link(lambda done: ran.append(done.value))
        for number, result in enumerate(results):
            result.set(number)
        handler.stop()
        assert ran == list(range(1000))

    def test_c2_dispatched_while_stopped_waits_for_start(self, idle: Handler) -> None:
        """It does not run while the handler is stopped, and does, in order, when it is started."""
        ran: list[int] = []
        for number in range(3):
            self.dispatch(idle, ran.append, number)
        idle.stop()  # which is stopped, and stays so
        idle.sleep_func(0.01)
        assert ran == []
        idle.start()
        self.drained(idle)
        assert ran == [0, 1, 2]
        idle.stop()
        for number in range(3, 6):
            self.dispatch(idle, ran.append, number)
        idle.stop()
        idle.sleep_func(0.01)
        assert ran == [0, 1, 2]
        idle.start()
        idle.stop()
        assert ran == [0, 1, 2, 3, 4, 5]

    @pytest.mark.parametrize("failure", [None, ValueError("as planned")], ids=["value", "failure"])
    @pytest.mark.parametrize("stopped", [False, True], ids=["before start", "after stop"])
    def test_c2_links_are_called_by_the_setter_while_stopped(
        self, idle: Handler, stopped: bool, failure: ValueError | None
    ) -> None:
        """A client that has stopped its handler still hears of its last results."""
        if stopped:
            idle.start()
            self.drained(idle)
            idle.stop()
        ran: list[Any] = []
        result = idle.async_result()
        result.link(ran.append)
        result.link(ran.extend)  # a result is no list: raises, is logged
        result.link(lambda _: ran.append(threading.get_ident()))
        assert ran == []
        if failure is None:
            result.set(1)
        else:
            result.set_exception(failure)
        assert ran == [result, threading.get_ident()]
        result.link(ran.extend)
        result.link(lambda done: ran.append((done.value, done.exception)))
        assert ran[2:] == [(1, None) if failure is None else (None, failure)]

    def test_c2_in_the_drain_a_callback_may_wait_for_a_link(self, handler: Handler) -> None:
        """Both workers go on until both have nothing left."""
        gate, linked = handler.event_object(), handler.event_object()
        seen: list[bool] = []
        result = handler.async_result()
        result.link(calling(linked.set))

        def callback() -> None:
            gate.wait(LONG)
            result.set(1)
            seen.append(linked.wait(LONG))

        self.dispatch(handler, callback)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        gate.set()
        self.ended(stopper)
        assert seen == [True]
        assert not stopper.is_alive()

    def test_c2_in_the_drain_links_lead_to_links(self, handler: Handler) -> None:
        """A link that sets a further result has that one's links called too."""
        ran: list[int] = []

        def chain(depth: int) -> None:
            result = handler.async_result()
            result.link(calling(ran.append, depth))
            if depth:
                result.link(calling(chain, depth - 1))
            result.set()

        self.dispatch(handler, chain, 20)
        handler.stop()
        assert ran == list(range(20, -1, -1))

    def test_c2_the_drain_runs_links_that_were_queued_before_it(self, handler: Handler) -> None:
        """Those behind a link that blocks, when the callbacks are through already."""
        ran: list[int] = []
        callbacks_go_on, links_go_on = handler.event_object(), handler.event_object()
        blocked, drained = handler.event_object(), handler.event_object()
        result = handler.async_result()

        def block(_: Any) -> None:
            blocked.set()
            links_go_on.wait(LONG)

        result.link(block)
        for number in range(20):
            result.link(calling(ran.append, number))
        result.set()
        self.dispatch(handler, callbacks_go_on.wait, LONG)
        self.dispatch(handler, drained.set)
        self.happens(blocked)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        callbacks_go_on.set()
        self.happens(drained)
        handler.sleep_func(0.01)  # the callbacks' worker ends, with the links still to be called
        assert ran == []
        links_go_on.set()
        self.ended(stopper)
        assert ran == list(range(20))

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c2_in_the_drain_the_setter_calls_no_links(
        self, handler: Handler, linked: bool
    ) -> None:
        """The second worker does, until the drain is over, whatever it is that still runs."""
        ran: list[str] = []
        gate, blocked = handler.event_object(), handler.event_object()

        def block(*_: Any) -> None:
            blocked.set()
            gate.wait(LONG)

        if linked:
            first = handler.async_result()
            first.link(block)
            first.set()
        else:
            self.dispatch(handler, block)
        self.happens(blocked)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        result = handler.async_result()
        set_returned = handler.event_object()

        def link(_: Any) -> None:
            ran.append("set returned" if set_returned.wait(LONG) else "the setter calls")

        result.link(link)

        def set_result() -> None:
            result.set()
            set_returned.set()

        setter = handler.spawn(set_result)
        self.happens(set_returned)
        gate.set()
        self.ended(setter, stopper)
        assert ran == ["set returned"]

    def test_c2_dispatched_in_the_drain_waits_for_start(self, handler: Handler) -> None:
        """A callback that always dispatches itself again does not keep stop from returning."""
        ran: list[int] = []

        def again() -> None:
            ran.append(len(ran))
            self.dispatch(handler, again)

        gate = handler.event_object()
        self.dispatch(handler, gate.wait, LONG)
        self.dispatch(handler, again)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        gate.set()
        self.ended(stopper)
        assert ran == [0]
        handler.start()
        self.until(handler, lambda: len(ran) > 1)

    def test_c2_what_others_dispatch_in_the_drain_waits_for_start(self, handler: Handler) -> None:
        """Whoever dispatches it, it neither runs in the drain nor is lost."""
        ran: list[str] = []
        gate, stopper = self.draining(handler)
        self.dispatch(handler, ran.append, "dispatched in the drain")
        gate.set()
        self.ended(stopper)
        assert ran == []
        handler.start()
        handler.stop()
        assert ran == ["dispatched in the drain"]

    def test_c2_start_in_the_drain_makes_no_second_worker(self, handler: Handler) -> None:
        """Callbacks still run one at a time, in order, and the stop still returns."""
        gate, blocked = handler.event_object(), handler.event_object()
        running: list[int] = []
        most: list[int] = []
        ran: list[int] = []

        def callback(number: int) -> None:
            running.append(number)
            most.append(len(running))
            if number == 0:
                blocked.set()
                gate.wait(LONG)
            handler.sleep_func(0)
            running.remove(number)
            ran.append(number)

        self.dispatch(handler, callback, 0)
        self.happens(blocked)
        self.dispatch(handler, callback, 1)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        self.dispatch(handler, callback, 2)
        handler.start()
        assert handler.running
        self.dispatch(handler, callback, 3)
        handler.sleep_func(0.01)
        assert ran == []
        gate.set()
        self.ended(stopper)
        assert ran[:2] == [0, 1]
        self.drained(handler)
        assert ran == [0, 1, 2, 3]
        assert max(most) == 1
        assert handler.running

    def test_c2_two_stops_wait_for_one_drain(self, handler: Handler) -> None:
        """Each of them returns after the last callback."""
        gate = handler.event_object()
        ran: list[str] = []

        def stop(name: str) -> None:
            handler.stop()
            ran.append(name)

        self.dispatch(handler, gate.wait, LONG)
        self.dispatch(handler, ran.append, "callback")
        first = handler.spawn(stop, "first")
        self.until(handler, lambda: not handler.running)
        second = handler.spawn(stop, "second")
        handler.sleep_func(0.01)
        assert ran == []
        gate.set()
        self.ended(first, second)
        assert ran[0] == "callback"
        assert sorted(ran[1:]) == ["first", "second"]

    def test_c2_a_stop_after_a_start_in_the_drain_waits(self, handler: Handler) -> None:
        """For what was dispatched since, too."""
        ran: list[str] = []

        def stop() -> None:
            handler.stop()
            ran.append("stop returned")

        gate, first = self.draining(handler)
        handler.start()
        self.dispatch(handler, ran.append, "callback")
        second = handler.spawn(stop)
        self.until(handler, lambda: not handler.running)
        handler.sleep_func(0.01)
        assert ran == []
        gate.set()
        self.ended(first, second)
        assert ran == ["callback", "stop returned"]

    def test_c2_stop_waits_as_long_as_it_takes(self, handler: Handler) -> None:
        """It does not give up after a second."""
        ran: list[str] = []
        self.dispatch(handler, handler.sleep_func, 1.2)
        self.dispatch(handler, ran.append, "callback")
        handler.stop()
        assert ran == ["callback"]

    # C3: stop from inside.

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c3_stop_from_inside(self, handler: Handler, linked: bool) -> None:
        """It returns before what is queued has run, which then still runs."""
        ran: list[str] = []
        gate, done = handler.event_object(), handler.event_object()

        def stop() -> None:
            gate.wait(LONG)
            handler.stop()
            ran.append("stop returned")

        if linked:
            result = handler.async_result()
            for link in (
                calling(stop),
                calling(ran.append, "queued"),
                calling(done.set),
            ):
                result.link(link)
            result.set()
        else:
            self.dispatch(handler, stop)
            self.dispatch(handler, ran.append, "queued")
            self.dispatch(handler, done.set)
        gate.set()
        self.happens(done)
        assert ran == ["stop returned", "queued"]
        handler.stop()
        assert not handler.running

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c3_stop_from_inside_leaves_the_other_worker_alone(
        self, handler: Handler, linked: bool
    ) -> None:
        """It does not wait for what runs there, and what is queued there still runs."""
        ran: list[str] = []
        gate, blocked = handler.event_object(), handler.event_object()
        stopped = handler.event_object()

        def block() -> None:
            blocked.set()
            gate.wait(LONG)

        def stop() -> None:
            handler.stop()
            stopped.set()

        self.queue(handler, not linked, block)
        self.happens(blocked)
        self.queue(handler, not linked, ran.append, "queued")
        self.queue(handler, linked, stop)
        self.happens(stopped)
        assert ran == []
        gate.set()
        handler.stop()
        assert ran == ["queued"]

    def test_c3_a_stop_from_outside_waits_for_the_end_of_one_from_inside(
        self, handler: Handler
    ) -> None:
        """That one has left it to others to wait."""
        ran: list[str] = []
        gate, stopped = handler.event_object(), handler.event_object()

        def stop_inside() -> None:
            handler.stop()
            stopped.set()
            gate.wait(LONG)
            ran.append("callback")

        def stop_outside() -> None:
            handler.stop()
            ran.append("stop returned")

        self.dispatch(handler, stop_inside)
        self.happens(stopped)
        stopper = handler.spawn(stop_outside)
        handler.sleep_func(0.02)
        assert ran == []
        gate.set()
        self.ended(stopper)
        assert ran == ["callback", "stop returned"]

    def test_c3_stop_from_inside_is_prompt(self, idle: Handler) -> None:
        """In a tenth of a second; even a busy machine has an idle moment."""
        took: list[float] = []

        def stop() -> None:
            begun = time.monotonic()
            idle.stop()
            took.append(time.monotonic() - begun)

        def is_prompt() -> bool:
            idle.start()
            self.dispatch(idle, stop)
            idle.stop()
            return took[-1] <= 0.1

        given_up = time.monotonic() + LIMIT
        while not is_prompt():
            assert time.monotonic() < given_up, f"it takes {min(took):.3f} seconds and more"

    def test_c3_stop_and_start_from_inside(self, handler: Handler) -> None:
        """A callback may restart its own handler."""
        ran: list[str] = []

        def restart() -> None:
            handler.stop()
            handler.start()
            ran.append("restarted")

        self.dispatch(handler, restart)
        self.drained(handler)
        assert ran == ["restarted"]
        assert handler.running

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

    def queue(
        self, handler: Handler, linked: bool, func: Callable[..., object], *args: Any
    ) -> None:
        """Have a worker call ``func(*args)``: that of the links, or that of the callbacks."""
        if linked:
            result = handler.async_result()
            result.link(calling(func, *args))
            result.set()
        else:
            self.dispatch(handler, func, *args)

    def draining(self, handler: Handler) -> tuple[Any, Task]:
        """Have it stopped; return an event that the drain waits for, and the task that stops."""
        gate, blocked = handler.event_object(), handler.event_object()

        def block() -> None:
            blocked.set()
            gate.wait(LONG)

        self.dispatch(handler, block)
        self.happens(blocked)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        return gate, stopper

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
