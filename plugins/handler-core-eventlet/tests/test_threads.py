"""OS threads, signal handlers and hubs wake each other."""

from __future__ import annotations

import threading
import time
from typing import Any

import eventlet
from eventlet import hubs
from eventlet_process import (
    OSThread,
    Script,
    dispatch,
    has_hub,
    native_time,
    natively_until,
    until,
)

from handler_core.testing import LIMIT


def test_an_os_thread_wakes_a_hub_that_sleeps(handler: Any) -> None:
    for _ in range(100):
        result = handler.async_result()
        sleeping = eventlet.hubs.get_hub()
        seen: list[float] = []

        def set_it(result: Any = result, hub: Any = sleeping, seen: Any = seen) -> None:
            # By now the hub has nothing to do but to sleep.
            natively_until(lambda: not hub.next_timers)
            seen.append(native_time.monotonic())
            result.set(1)

        thread = OSThread(set_it)
        begun = time.monotonic()
        assert result.get(timeout=2 * LIMIT) == 1
        assert time.monotonic() - begun < LIMIT
        thread.join()


def test_an_os_thread_that_waits_gets_no_hub(handler: Any) -> None:
    result, event = handler.async_result(), handler.event_object()
    lock = handler.lock_object()
    timed_out: list[bool] = []

    def wait() -> list[Any]:
        seen = [event.wait(0.01), result.wait(0.01)]
        timed_out.append(True)
        with lock:
            seen += [event.wait(LIMIT), result.get(timeout=LIMIT), has_hub()]
        return seen

    thread = OSThread(wait)
    until(lambda: timed_out)
    event.set()
    eventlet.sleep(0)
    result.set("value")
    assert thread.join() == [False, False, True, "value", False]


def test_an_os_thread_dispatches_links_and_stops_and_gets_no_hub(handler: Any) -> None:
    ran: list[Any] = []

    def use() -> bool:
        dispatch(handler, ran.append, "callback")
        result = handler.async_result()
        result.link(lambda done: ran.append(done.value))
        result.set("link")
        handler.stop()
        return has_hub()

    assert OSThread(use).join() is False
    assert sorted(ran) == ["callback", "link"]
    assert not handler.running


def test_spawn_in_an_os_thread_runs_in_the_home(handler: Any) -> None:
    seen: list[bool] = []

    def spawn() -> bool:
        task = handler.spawn(lambda: seen.append(has_hub()))
        task.join(LIMIT)
        return task.is_alive()

    assert OSThread(spawn).join() is False
    assert seen == [True]


def test_greenlets_of_two_hubs_wake_each_other(handler: Any) -> None:
    rounds = 200
    forth = [handler.async_result() for _ in range(rounds)]
    back = [handler.async_result() for _ in range(rounds)]

    def other() -> bool:
        hubs.get_hub()

        def play() -> None:
            for ping, pong in zip(forth, back, strict=True):
                assert ping.get(timeout=LIMIT) == "ping"
                pong.set("pong")

        eventlet.spawn(play).wait()
        return has_hub()

    thread = OSThread(other)
    for ping, pong in zip(forth, back, strict=True):
        ping.set("ping")
        assert pong.get(timeout=LIMIT) == "pong"
    assert thread.join() is True


def test_a_signal_handler_wakes_a_hub_that_sleeps() -> None:
    printed = Script().run_script(
        """
        import signal, time
        result = handler.async_result()
        signal.signal(signal.SIGALRM, lambda *_: result.set("set by a signal"))
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        begun = time.monotonic()
        print(result.get(timeout=25), time.monotonic() - begun < 20)
        """
    )
    assert printed == "set by a signal True\n"


def test_threads_of_a_patched_process_are_greenlets_to_the_handler(handler: Any) -> None:
    result = handler.async_result()
    thread = threading.Thread(target=result.set, args=(1,))
    thread.start()
    assert result.get(timeout=LIMIT) == 1
    thread.join()
