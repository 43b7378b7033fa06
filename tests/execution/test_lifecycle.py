"""Start, stop and the drain."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from handler_core_threading import SequentialThreadingHandler

from execution.tasks import LIMIT, dispatch, ended, start_threads
from handler_core import Callback, Handler, get_handler

# What is dispatched is run, whatever start and stop do.


def test_starts_and_stops_that_race_lose_nothing_and_keep_the_order() -> None:
    for _ in range(20):
        handler = get_handler("threading")
        ran: list[int] = []
        linked: list[int] = []
        over = threading.Event()

        def toggle(handler: Handler = handler, over: threading.Event = over) -> None:
            while not over.is_set():
                handler.start()
                handler.stop()

        toggling = start_threads(toggle, toggle, toggle)
        for number in range(300):
            dispatch(handler, ran.append, number)
            result = handler.async_result()
            result.link(lambda done, linked=linked: linked.append(done.value))
            result.set(number)
        over.set()
        ended(*toggling)
        handler.start()
        handler.stop()
        assert ran == list(range(300))
        # While the handler is stopped the setter calls the links, beside those that are queued.
        assert sorted(linked) == list(range(300))
        assert not handler.running


def test_many_dispatching_threads_while_it_starts_and_stops() -> None:
    for _ in range(20):
        handler = get_handler("threading")
        ran: list[tuple[int, int]] = []
        at_once = 0

        def note(who: int, number: int, ran: Any = ran) -> None:
            nonlocal at_once
            at_once += 1
            assert at_once == 1
            ran.append((who, number))
            at_once -= 1

        def work(who: int, handler: Handler = handler, note: Any = note) -> None:
            for number in range(100):
                dispatch(handler, note, who, number)
                if number % 10 == who:
                    handler.start()
                elif number % 10 == who + 5:
                    handler.stop()

        ended(*start_threads(*[lambda who=who, work=work: work(who) for who in range(4)]))
        handler.start()
        handler.stop()
        for who in range(4):
            assert [number for other, number in ran if other == who] == list(range(100))


def test_a_start_during_the_drain_makes_no_second_worker(handler: Handler) -> None:
    at_it, go_on = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def block() -> None:
        threads.append(threading.current_thread())
        at_it.set()
        assert go_on.wait(60)

    handler.start()
    dispatch(handler, block)
    assert at_it.wait(10)
    stopping = start_threads(handler.stop)
    while handler.running:
        time.sleep(0.001)
    later = threading.Event()
    dispatch(handler, lambda: threads.append(threading.current_thread()))
    handler.start()
    assert handler.running
    dispatch(handler, later.set)
    assert not later.is_set()
    go_on.set()
    ended(*stopping)
    assert later.wait(10)
    assert handler.running
    assert len(set(threads)) == 1


def test_a_stop_during_a_stop_waits_for_the_same_end(handler: Handler) -> None:
    at_it, go_on = threading.Event(), threading.Event()
    ends: list[str] = []

    def block() -> None:
        at_it.set()
        assert go_on.wait(60)
        ends.append("callback")

    def stop() -> None:
        handler.stop()
        ends.append("stop")

    handler.start()
    dispatch(handler, block)
    assert at_it.wait(10)
    stopping = start_threads(*[stop] * 5)
    while handler.running:
        time.sleep(0.001)
    assert ends == []
    go_on.set()
    ended(*stopping)
    assert ends == ["callback"] + ["stop"] * 5


def test_what_is_dispatched_during_the_drain_waits_for_the_next_start(
    handler: Handler,
) -> None:
    at_it, go_on = threading.Event(), threading.Event()
    ran: list[str] = []

    def block() -> None:
        at_it.set()
        assert go_on.wait(60)
        dispatch(handler, ran.append, "from a callback")

    handler.start()
    dispatch(handler, block)
    assert at_it.wait(10)
    stopping = start_threads(handler.stop)
    while handler.running:
        time.sleep(0.001)
    dispatch(handler, ran.append, "meanwhile")
    go_on.set()
    ended(*stopping)
    assert ran == []
    handler.start()
    handler.stop()
    assert ran == ["meanwhile", "from a callback"]


def test_a_callback_may_wait_for_a_link_during_the_drain(handler: Handler) -> None:
    at_it, go_on = threading.Event(), threading.Event()
    linked = threading.Event()
    waited: list[bool] = []

    def block() -> None:
        at_it.set()
        assert go_on.wait(60)
        result = handler.async_result()
        result.link(lambda done: linked.set())
        result.set(1)
        waited.append(linked.wait(10))

    handler.start()
    dispatch(handler, block)
    assert at_it.wait(10)
    stopping = start_threads(handler.stop)
    while handler.running:
        time.sleep(0.001)
    go_on.set()
    ended(*stopping)
    assert waited == [True]


def test_a_chain_of_links_is_run_to_its_end_by_the_drain(handler: Handler) -> None:
    ran: list[int] = []

    def set_next(number: int) -> None:
        result = handler.async_result()
        result.link(lambda done: ran.append(number))
        if number < 50:
            result.link(lambda done: set_next(number + 1))
        result.set(number)

    handler.start()
    dispatch(handler, set_next, 0)
    handler.stop()
    assert ran == list(range(51))


def test_a_callback_may_stop_start_and_stop_its_own_handler(handler: Handler) -> None:
    ran: list[str] = []
    for queue in ("dispatched", "linked"):
        ran.clear()
        handler.start()

        def toggle() -> None:
            handler.stop()
            handler.stop()
            handler.start()
            handler.stop()
            ran.append("toggled")

        if queue == "dispatched":
            dispatch(handler, toggle)
        else:
            result = handler.async_result()
            result.link(lambda done, toggle=toggle: toggle())
            result.set(1)
        dispatch(handler, ran.append, "next")
        handler.start()
        handler.stop()
        assert sorted(ran) == ["next", "toggled"]
        assert not handler.running


def test_a_stop_from_a_callback_lets_the_rest_run(handler: Handler) -> None:
    ran: list[int] = []
    go_on = threading.Event()
    handler.start()
    dispatch(handler, go_on.wait, 60)
    dispatch(handler, handler.stop)
    for number in range(10):
        dispatch(handler, ran.append, number)
    go_on.set()
    handler.stop()
    # Those behind the stop that came first may be left to the next start.
    handler.start()
    handler.stop()
    assert ran == list(range(10))


# Refused.


@pytest.mark.parametrize("bad", [None, print, "callback", ("type", print, ()), object()])
def test_what_is_no_callback_is_refused_at_once(handler: Handler, bad: Any) -> None:
    handler.start()
    with pytest.raises(TypeError, match=r"\.func and \.args"):
        handler.dispatch_callback(bad)
    ran = threading.Event()
    dispatch(handler, ran.set)
    assert ran.wait(10)


def test_any_object_with_func_and_args_is_a_callback(handler: Handler) -> None:
    class Other:
        def __init__(self, func: Any, args: Any) -> None:
            self.func, self.args = func, args

    ran: list[int] = []
    handler.start()
    handler.dispatch_callback(Other(ran.append, [1]))
    handler.dispatch_callback(Other("no function", ()))
    handler.dispatch_callback(Other(ran.append, 3))
    handler.dispatch_callback(Other(ran.append, (2,)))
    handler.stop()
    assert ran == [1, 2]


def test_a_model_that_cannot_spawn_says_so() -> None:
    handler = Handler()
    handler.start()
    with pytest.raises(NotImplementedError, match="does not say how to spawn"):
        handler.dispatch_callback(Callback("test", print, ()))


def test_a_signal_handler_that_would_wait_inside_is_told() -> None:
    handler = SequentialThreadingHandler()
    handler.start()
    result = handler.async_result()
    with handler._lock:  # where a signal may find a thread that sets a result
        with pytest.raises(RuntimeError, match=r"handler\.spawn"):
            handler.stop()
        with pytest.raises(RuntimeError, match=r"handler\.spawn"):
            result.get(timeout=LIMIT)
    result.set(1)
    assert result.get(timeout=LIMIT) == 1
    handler.stop()
    assert not handler.running
