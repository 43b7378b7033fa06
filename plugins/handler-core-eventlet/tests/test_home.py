"""The home: the thread in which the workers run."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
from eventlet import hubs
from eventlet_process import (
    OSThread,
    Script,
    dispatch,
    native_thread,
    until,
)
from handler_core_eventlet import SequentialEventletHandler

from handler_core.testing import LIMIT, open_descriptors


def test_a_home_thread_that_has_ended() -> None:
    handler = SequentialEventletHandler()
    ran: list[str] = []

    def home() -> None:
        hubs.get_hub()
        handler.start()
        done = handler.event_object()
        dispatch(handler, done.set)
        done.wait(LIMIT)

    handler.current_hub()  # opens the descriptors of this thread's own hub
    before = open_descriptors()
    OSThread(home).join()
    dispatch(handler, ran.append, "left")

    def stop() -> bool:
        try:
            handler.stop()
        except RuntimeError as error:
            return "has ended" in str(error)
        return False

    # The thread ends some moments after its function has.
    until(lambda: handler.home.has_ended())
    assert stop()
    assert not handler.running
    handler.start()
    handler.stop()
    assert ran == ["left"]
    # All but the `epoll`, which eventlet leaves. The thread may still be on its way out.
    until(lambda: open_descriptors() <= before + 1)


def test_a_stop_that_waits_hears_of_the_end_of_the_home_thread() -> None:
    handler = SequentialEventletHandler()
    gate, blocked = handler.event_object(), handler.event_object()
    leave = native_thread.allocate_lock()
    leave.acquire()

    def home() -> None:
        hubs.get_hub()
        handler.start()

        def block() -> None:
            blocked.set()
            gate.wait()

        dispatch(handler, block)
        blocked.wait(LIMIT)
        leave.acquire()

    thread = OSThread(home)
    assert blocked.wait(LIMIT)
    stopper = OSThread(handler.stop)
    until(lambda: not handler.running)
    leave.release()
    with pytest.raises(RuntimeError, match="has ended"):
        stopper.join()
    thread.join()


def test_doorbells_end_with_their_threads() -> None:
    def use() -> None:
        hubs.get_hub()
        handler = SequentialEventletHandler()
        with handler:
            result = handler.async_result()
            dispatch(handler, result.set, 1)
            assert result.get(timeout=LIMIT) == 1
        bells.append(weakref.ref(handler.current_hub().thread_local.doorbell))

    bells: list[Any] = []
    for _ in range(20):
        OSThread(use).join()
    until(lambda: not [bell for bell in bells if bell() is not None])


ABANDON = """
from eventlet import hubs
ran = []
def wait():
    handler.event_object().wait()
handler.start()
done = handler.event_object()
handler.dispatch_callback(Callback("test", done.set, ()))
assert done.wait({limit})
tasks = [handler.spawn(wait), handler.spawn(eventlet.sleep, 3600)]
lock = handler.lock_object()
lock.acquire()
handler.spawn(lock.acquire)
eventlet.sleep(0.01)
{abandon}
"""


class TestAbandonedHub(Script):
    """A hub that was aborted, or that its thread has left for another one."""

    @pytest.fixture(
        params=[
            "hubs.get_hub().abort()",
            "hubs.get_hub().abort(wait=True)",
            "eventlet.spawn(hubs.get_hub().abort); handler.event_object().wait(0.01)",
            "hubs.use_hub()",
        ],
        ids=["abort", "abort and wait", "abort elsewhere", "use_hub"],
    )
    def abandoned(self, request: pytest.FixtureRequest) -> str:
        """Return the beginning of a program that gives the hub of its main thread up."""
        return ABANDON.format(limit=LIMIT, abandon=request.param)

    def test_c1_stop_says_so(self, abandoned: str) -> None:
        program = """
        handler.dispatch_callback(Callback("test", ran.append, (1,)))
        try:
            handler.stop()
        except RuntimeError as error:
            print(error)
        assert not handler.running
        handler.start()
        handler.dispatch_callback(Callback("test", ran.append, (2,)))
        handler.stop()
        print(ran)
        """
        refusal, ran = self.run_script(f"{abandoned}\nif True:{program}").splitlines()
        assert "has ended" in refusal
        assert ran == "[1, 2]"

    def test_c4_its_tasks_have_ended(self, abandoned: str) -> None:
        program = """
        for task in tasks:
            assert not task.is_alive()
            task.join()
        another = handler.spawn(eventlet.sleep, 0.01)
        assert another.is_alive()
        another.join()
        assert not another.is_alive()
        """
        self.run_script(f"{abandoned}\nif True:{program}")

    def test_c4_a_lock_goes_to_a_task_of_the_next_hub(self, abandoned: str) -> None:
        program = """
        task = handler.spawn(lock.acquire)
        eventlet.sleep(0.01)
        lock.release()
        task.join()
        """
        self.run_script(f"{abandoned}\nif True:{program}")
