"""Kills, timeouts and exits: what they do to a worker."""

from __future__ import annotations

import logging
from typing import Any

import eventlet
import greenlet
import pytest
from eventlet_process import (
    Script,
    dispatch,
    until,
)

from handler_core.testing import LIMIT


@pytest.mark.parametrize("error", [eventlet.Timeout, greenlet.GreenletExit])
def test_what_a_callback_raises_of_its_own_accord_is_logged(
    handler: Any, caplog: pytest.LogCaptureFixture, error: type[BaseException]
) -> None:
    workers: list[Any] = []
    done = handler.event_object()

    def fail() -> None:
        workers.append(greenlet.getcurrent())
        raise error

    def go_on() -> None:
        workers.append(greenlet.getcurrent())
        done.set()

    with caplog.at_level(logging.ERROR, "handler_core"):
        dispatch(handler, fail)
        dispatch(handler, go_on)
        assert done.wait(LIMIT)
    assert workers[0] is workers[1]
    assert [record.exc_info[0] for record in caplog.records] == [error]


def test_a_timeout_that_strikes_in_a_callback_is_logged(
    handler: Any, caplog: pytest.LogCaptureFixture
) -> None:
    workers: list[Any] = []

    def overrun() -> None:
        workers.append(greenlet.getcurrent())
        with eventlet.Timeout(0.01):
            handler.event_object().wait()

    with caplog.at_level(logging.ERROR, "handler_core"):
        dispatch(handler, overrun)
        dispatch(handler, lambda: workers.append(greenlet.getcurrent()))
        until(lambda: len(workers) == 2)
    assert workers[0] is workers[1]
    assert [record.exc_info[0] for record in caplog.records] == [eventlet.Timeout]


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in a callback"])
def test_a_worker_killed_from_outside_is_replaced(handler: Any, busy: bool) -> None:
    workers: list[Any] = []
    ran: list[int] = []

    def callback() -> None:
        workers.append(greenlet.getcurrent())
        if busy:
            handler.event_object().wait()

    dispatch(handler, callback)
    until(lambda: workers)
    eventlet.sleep(0)
    if busy:
        dispatch(handler, ran.append, 0)
    eventlet.kill(workers[0])
    assert workers[0].dead
    done = handler.event_object()
    dispatch(handler, ran.append, 1)
    dispatch(handler, done.set)
    assert done.wait(LIMIT)
    assert ran == ([0, 1] if busy else [1])
    handler.stop()


@pytest.mark.parametrize("where", ["callback", "link"])
@pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt"])
def test_an_exit_reaches_the_main_greenlet(where: str, name: str) -> None:
    printed = Script().run_script(
        f"""
        handler.start()
        def fail(*_):
            raise {name}("as planned")
        if {where!r} == "link":
            result = handler.async_result()
            result.link(fail)
            result.set()
        else:
            handler.dispatch_callback(Callback("test", fail, ()))
        try:
            handler.async_result().get(timeout=20)
        except {name} as error:
            print("caught", error)
        event = handler.event_object()
        handler.dispatch_callback(Callback("test", event.set, ()))
        print(event.wait(20))
        handler.stop()
        """
    )
    assert printed == "caught as planned\nTrue\n"


def test_ctrl_c_interrupts_a_wait_of_the_main_greenlet() -> None:
    printed = Script().run_script(
        """
        import os, signal
        from eventlet import patcher
        import time
        def interrupt():
            patcher.original("time").sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)
        handler.start()
        result = handler.async_result()
        patcher.original("_thread").start_new_thread(interrupt, ())
        try:
            result.get(timeout=20)
        except KeyboardInterrupt:
            print("interrupted")
        handler.spawn(result.set, "goes on")
        print(result.get(timeout=20))
        handler.stop()
        """
    )
    assert printed == "interrupted\ngoes on\n"


@pytest.mark.parametrize("what", ["task", "worker"])
def test_c4_what_is_killed_before_it_begins(
    handler: Any, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    from handler_core_eventlet import _hub

    killed: list[Any] = []

    class Killed(_hub.TaskGreenlet):  # type: ignore[misc]
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            monkeypatch.undo()
            killed.append(self)
            eventlet.kill(self)

    monkeypatch.setattr(_hub, "TaskGreenlet", Killed)
    if what == "task":
        task = handler.spawn(int)
        task.join(LIMIT)
        assert not task.is_alive()
    else:
        ran: list[int] = []
        dispatch(handler, ran.append, 1)
        handler.stop()
        assert ran == [1]
    assert killed[0].dead
