"""The home: the thread in which the workers run."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
from eventlet import hubs
from eventlet_process import (
    OSThread,
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
