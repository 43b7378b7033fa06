"""Results that several threads use, signal handlers and finalizers too."""

from __future__ import annotations

import contextlib
import gc
import signal
import threading
import time
from typing import Any

import pytest
from handler_core_threading import SequentialThreadingHandler
from interrupting import at_each_instruction

from execution.tasks import Oops, in_threads
from handler_core import (
    AsyncResult,
    Handler,
)


@pytest.fixture
def handler(handler: Handler) -> Handler:
    """Return a handler that was started."""
    handler.start()
    return handler


# Threads.


def test_all_waiters_wake(handler: Handler) -> None:
    for _ in range(20):
        result = handler.async_result()
        got: list[Any] = []
        waiters = [lambda r=result, g=got: g.append(r.get(timeout=60))] * 10
        waiters += [lambda r=result, g=got: g.append(r.wait(60) and r.get())] * 10
        in_threads(*waiters, lambda r=result: r.set(7))
        assert got == [7] * 20


def test_every_link_is_called_once_whatever_races(result: AsyncResult[Any]) -> None:
    handler = result._handler
    for _ in range(200):
        racing: AsyncResult[int] = type(result)(handler)
        called: list[int] = []

        def link(number: int, racing: AsyncResult[int], called: list[int]) -> None:
            racing.link(lambda done: called.append(number))

        in_threads(
            *[lambda n=n, racing=racing, called=called: link(n, racing, called) for n in range(3)],
            lambda racing=racing: racing.set(1),
        )
        if handler is not AsyncResult.detached and handler.running:
            done = threading.Event()
            racing.link(lambda _, done=done: done.set())
            assert done.wait(10)
        assert sorted(called) == [0, 1, 2]


def test_an_unlink_that_races_never_breaks_anything(handler: Handler) -> None:
    for _ in range(200):
        result = handler.async_result()
        called: list[str] = []
        fixed = threading.Event()

        def removed(done: AsyncResult[Any], called: list[str] = called) -> None:
            called.append("removed")

        result.link(removed)
        result.link(lambda done, called=called: called.append("kept"))
        in_threads(
            lambda r=result, f=removed: r.unlink(f),
            lambda r=result, f=removed: r.unlink(f),
            lambda r=result: r.set(1),
        )
        result.link(lambda done, fixed=fixed: fixed.set())
        assert fixed.wait(10)
        assert called in (["kept"], ["removed", "kept"])


def test_racing_setters_call_each_link_once_and_wake_each_waiter(handler: Handler) -> None:
    for _ in range(100):
        result = handler.async_result()
        called: list[Any] = []
        fixed = threading.Event()
        result.link(called.append)
        in_threads(
            lambda r=result: r.set(1),
            lambda r=result: r.set(2),
            lambda r=result: r.set(3),
            lambda r=result: r.wait(60),
        )
        result.link(lambda done, fixed=fixed: fixed.set())
        assert fixed.wait(10)
        assert called == [result]
        assert result.get() in (1, 2, 3)


def test_a_reader_never_sees_half_of_an_outcome() -> None:
    result: AsyncResult[int] = AsyncResult()
    result.set(0)
    error = Oops()
    over = threading.Event()

    def flip() -> None:
        for number in range(3000):
            result.set(number)
            result.set_exception(error)
        over.set()

    def read() -> None:
        while not over.is_set():
            assert result.ready()
            assert type(result.value) in (type(None), int)
            assert result.exception in (None, error)
            with contextlib.suppress(Oops):
                assert isinstance(result.get(), int)

    in_threads(flip, read, read)


# Signal handlers and finalizers.


def test_a_set_in_the_midst_of_a_wait_is_seen() -> None:
    lost: list[bool] = []
    results: list[AsyncResult[int]] = []

    class Waiter:
        woken = False

        def park(self, timeout: float | None = None) -> bool:
            lost.append(results[-1].ready() and not self.woken)
            return False

        def wake(self) -> None:
            assert not self.woken
            self.woken = True

    class Waiting(SequentialThreadingHandler):
        def new_waiter(self) -> Any:
            return Waiter()

    for waited_for in (False, True):

        def setup(waited_for: bool = waited_for) -> tuple[Any, Any]:
            result = AsyncResult[int](Waiting())
            result._waiters = [Waiter()] if waited_for else None
            results.append(result)
            return result.wait, lambda: result.set(1)

        for number in at_each_instruction(AsyncResult.wait, setup):
            assert not any(lost), f"parked for ever at instruction {number}"
            results[-1].set(2)
    assert lost


def test_a_set_in_the_midst_of_a_link_calls_it_once(result: AsyncResult[Any]) -> None:
    handler = result._handler
    state: dict[str, Any] = {}
    for others in (0, 1):

        def setup(others: int = others) -> tuple[Any, Any]:
            linked: AsyncResult[int] = type(result)(handler)
            called: list[Any] = []
            state.update(called=called, linked=linked)
            for _ in range(others):
                linked.link(lambda done: None)
            return lambda: linked.link(called.append), lambda: linked.set(1)

        for number in at_each_instruction(AsyncResult.link, setup):
            ran = threading.Event()
            state["linked"].link(lambda done, ran=ran: ran.set())
            assert ran.wait(10)
            assert state["called"] == [state["linked"]], f"at instruction {number}"


SETTERS = [AsyncResult.set, AsyncResult._settle, AsyncResult._settle_under_lock]


@pytest.mark.parametrize("function", SETTERS)
@pytest.mark.parametrize("linked_before", [False, True])
def test_a_link_in_the_midst_of_a_set_is_called_once(
    result: AsyncResult[Any], function: Any, linked_before: bool
) -> None:
    handler = result._handler
    state: dict[str, Any] = {}

    def setup() -> tuple[Any, Any]:
        linked: AsyncResult[int] = type(result)(handler)
        called: list[Any] = []
        state.update(called=called, linked=linked, before=[])
        if linked_before or function is not AsyncResult.set:
            linked.link(state["before"].append)
        return lambda: linked.set(1), lambda: linked.link(called.append)

    for number in at_each_instruction(function, setup):
        ran = threading.Event()
        state["linked"].link(lambda done, ran=ran: ran.set())
        assert ran.wait(10)
        assert state["called"] == [state["linked"]], f"at instruction {number}"
        assert len(state["before"]) == (linked_before or function is not AsyncResult.set)


@pytest.mark.parametrize("function", SETTERS)
def test_a_thread_that_waits_from_the_midst_of_a_set_wakes(handler: Handler, function: Any) -> None:
    state: dict[str, Any] = {}

    def setup() -> tuple[Any, Any]:
        waited_for = handler.async_result()
        if function is not AsyncResult.set:
            waited_for.link(lambda done: None)
        thread = threading.Thread(target=waited_for.get, daemon=True)
        state["thread"] = None

        def begin_to_wait() -> None:
            state["thread"] = thread
            thread.start()
            # Until it waits, or has seen the outcome, or cannot go on before the setter does.
            while thread.is_alive() and not waited_for._waiters and not handler._lock._is_owned():
                time.sleep(0)

        return lambda: waited_for.set(1), begin_to_wait

    for number in at_each_instruction(function, setup):
        state["thread"].join(10)
        assert not state["thread"].is_alive(), f"at instruction {number}"


@pytest.mark.parametrize("function", SETTERS)
def test_who_sees_a_result_set_and_sets_another_has_its_links_called_later(
    handler: Handler, function: Any
) -> None:
    state: dict[str, Any] = {}

    def setup() -> tuple[Any, Any]:
        first, second = handler.async_result(), handler.async_result()
        called: list[str] = []
        first.link(lambda done: called.append("first"))
        second.link(lambda done: called.append("second"))
        thread = threading.Thread(target=second.set, daemon=True)
        state.update(called=called, second=second, thread=thread)

        def set_the_other() -> None:
            if first.ready():
                thread.start()
                # Until it has set, or cannot go on before this setter does.
                while thread.is_alive() and not handler._lock._is_owned():
                    time.sleep(0)

        return first.set, set_the_other

    for number in at_each_instruction(function, setup):
        if state["thread"].ident is None:
            state["second"].set()
        else:
            state["thread"].join(10)
        over = handler.async_result()
        ran = threading.Event()
        over.link(lambda done, ran=ran: ran.set())
        over.set()
        assert ran.wait(10)
        assert state["called"] == ["first", "second"], f"at instruction {number}"


def test_a_set_or_unlink_in_the_midst_of_an_unlink() -> None:
    for interruption in ("set", "unlink"):
        called: list[Any] = []

        def setup(how: str = interruption, called: list[Any] = called) -> tuple[Any, Any]:
            called.clear()
            linked: AsyncResult[int] = AsyncResult()
            linked.link(called.append)

            def interrupt() -> None:
                if how == "set":
                    linked.set(1)
                else:
                    linked.unlink(called.append)

            def unlink() -> None:
                linked.unlink(called.append)
                linked.set(2)

            return unlink, interrupt

        for number in at_each_instruction(AsyncResult.unlink, setup):
            assert len(called) <= (1 if interruption == "set" else 0), f"at instruction {number}"


def test_a_signal_handler_may_set_what_its_thread_sets_and_waits_for(handler: Handler) -> None:
    fired = 0
    current: list[AsyncResult[int]] = []

    def on_signal(number: int, frame: object) -> None:
        nonlocal fired
        fired += 1
        handler.async_result().set(1)
        for result in current:
            result.set(fired)

    previous = signal.signal(signal.SIGALRM, on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        deadline = time.monotonic() + 30
        rounds = 0
        while fired < 100 and time.monotonic() < deadline:
            result = handler.async_result()
            called: list[Any] = []
            current[:] = [result]
            result.link(called.append)
            if rounds % 10 == 0:
                assert result.get(timeout=30) > 0
            else:
                result.set(0)
            rounds += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert fired >= 100


def test_a_set_in_the_midst_of_the_start_of_a_worker_starts_it_all_the_same() -> None:
    handlers: list[Handler] = []
    called: list[threading.Event] = []

    def setup() -> tuple[Any, Any]:
        handler = SequentialThreadingHandler()
        handler.start()
        first, second, event = handler.async_result(), handler.async_result(), threading.Event()
        first.link(lambda _: event.set())
        handlers.append(handler)
        called.append(event)
        return first.set, lambda: second.set_exception(Oops())

    for number in at_each_instruction(SequentialThreadingHandler._ensure_worker, setup):
        assert called[-1].wait(10), f"at instruction {number}"
    for handler in handlers:
        handler.stop()


def test_a_finalizer_may_set_whatever_its_thread_is_doing(handler: Handler) -> None:
    class Cycle:
        def __init__(self, result: AsyncResult[int]) -> None:
            self.result = result
            self.me = self

        def __del__(self) -> None:
            self.result.set(1)

    results = [handler.async_result() for _ in range(2000)]
    called: list[Any] = []
    threshold = gc.get_threshold()
    gc.set_threshold(10)
    try:
        for result in results:
            Cycle(result)
            result.link(called.append)
            handler.async_result().set(2)
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert all(result.wait(10) for result in results)
    handler.stop()
    assert sorted(map(id, called)) == sorted(map(id, results))
