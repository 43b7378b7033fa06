"""Workers that cannot start, that are killed, or that are interrupted."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from handler_core_threading import SequentialThreadingHandler
from interrupting import at_each_instruction

from execution.tasks import LIMIT, dispatch, ended, parked, start_threads
from handler_core import AsyncResult, Callback, ThreadWaiter, get_handler
from handler_core.execution._lifecycle import Lifecycle
from handler_core.execution._run_items import run_items

# Workers that cannot start, and workers that are killed.


def test_no_thread_before_there_is_something_to_run() -> None:
    before = threading.active_count()
    handlers = [get_handler("threading") for _ in range(50)]
    for handler in handlers:
        handler.start()
    assert threading.active_count() == before
    for handler in handlers:
        handler.stop()


class _Unable(SequentialThreadingHandler):
    """Starts no thread as long as it is told not to."""

    able = False
    tried = 0

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> threading.Thread:
        self.tried += 1
        if not self.able:
            raise RuntimeError("can't start new thread")
        return super().spawn(func, *args, **kwargs)


def test_where_no_worker_can_start_stop_runs_what_waits(caplog: pytest.LogCaptureFixture) -> None:
    handler = _Unable()
    ran: list[object] = []
    handler.start()
    for number in range(5):
        dispatch(handler, lambda n=number: ran.append((n, threading.current_thread())))
    result = handler.async_result()
    result.link(lambda done: ran.append("linked"))
    result.set(1)
    dispatch(handler, handler.stop)
    dispatch(handler, ran.append, "last")
    assert ran == []
    with caplog.at_level(logging.ERROR, "handler_core"):
        handler.stop()
    assert ran[:5] == [(number, threading.current_thread()) for number in range(5)]
    assert sorted(map(str, ran[5:])) == ["last", "linked"]
    assert not handler.running
    assert "can't start new thread" in caplog.text


def test_where_a_worker_could_not_start_the_next_call_tries_again() -> None:
    handler = _Unable()
    ran = threading.Event()
    handler.start()
    dispatch(handler, int)
    assert handler.tried == 1
    handler.able = True
    dispatch(handler, ran.set)
    assert ran.wait(10)
    assert handler.tried == 2
    handler.stop()


def test_many_stops_where_no_worker_can_start(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "handler_core")
    for _ in range(20):
        handler = _Unable()
        handler.start()
        ran: list[int] = []
        for number in range(20):
            dispatch(handler, ran.append, number)
        ended(*start_threads(*[handler.stop] * 4))
        assert ran == list(range(20))
        assert not handler.running


class _Killed(BaseException):
    """What a model's own kill looks like."""


class _Killable(SequentialThreadingHandler):
    """Its parked workers can be killed, as a greenlet can."""

    def __init__(self) -> None:
        super().__init__()
        self.kills = 0
        self.killed = threading.Event()

    def new_waiter(self) -> Any:
        waiter = ThreadWaiter()
        outer = self

        class Waiter:
            def park(self, timeout: float | None = None) -> bool:
                woken = waiter.park(timeout)
                if outer.kills and threading.current_thread().name == "worker":
                    outer.kills -= 1
                    outer.killed.set()
                    raise _Killed
                return woken

            def wake(self) -> None:
                waiter.wake()

        return Waiter()

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> threading.Thread:
        def run() -> None:
            with contextlib.suppress(_Killed):
                func(*args, **kwargs)

        thread = threading.Thread(target=run, name="worker", daemon=True)
        thread.start()
        return thread


def test_a_killed_worker_is_replaced_and_nothing_is_lost() -> None:
    handler = _Killable()
    ran: list[str] = []
    done = threading.Event()
    handler.start()
    dispatch(handler, ran.append, "first")
    parked(handler)
    handler.kills = 1
    # It is woken for this one, and killed on its way to it.
    dispatch(handler, ran.append, "second")
    assert handler.killed.wait(10)
    dispatch(handler, done.set)
    assert done.wait(10)
    assert ran == ["first", "second"]
    handler.stop()
    assert not handler.running


def test_a_kill_that_crosses_a_dispatch_does_not_delay_it() -> None:
    handler = _Killable()
    done = threading.Event()
    handler.start()
    dispatch(handler, int)
    parked(handler)
    handler.kills = 1
    dispatch(handler, done.set)
    assert handler.killed.wait(10)
    assert done.wait(10)  # with no further call
    handler.stop()


@pytest.mark.parametrize("mailbox", ["_callbacks", "_completions"])
def test_a_kill_that_crosses_a_stop_does_not_hang_it(mailbox: str) -> None:
    handler = _Killable()
    handler.start()
    if mailbox == "_callbacks":
        dispatch(handler, int)
    else:
        result = handler.async_result()
        result.link(lambda done: None)
        result.set(1)
    parked(handler, mailbox)
    handler.kills = 1
    (stopping,) = start_threads(handler.stop)
    assert handler.killed.wait(10)
    ended(stopping)
    assert not handler.running
    ran = threading.Event()
    handler.start()
    dispatch(handler, ran.set)
    assert ran.wait(10)
    handler.stop()


def test_a_dispatch_by_a_finalizer_in_the_idle_worker_is_run() -> None:
    """The collector may run just where the worker has found nothing, and makes its waiter."""
    ran = threading.Event()

    class Collecting(SequentialThreadingHandler):
        armed = False

        def new_waiter(self) -> ThreadWaiter:
            waiter = super().new_waiter()
            if self.armed:
                self.armed = False
                dispatch(self, ran.set)
            return waiter

    handler = Collecting()
    handler.start()
    handler.armed = True
    dispatch(handler, int)
    assert ran.wait(10)
    handler.stop()


def test_links_are_run_by_the_other_worker_where_theirs_cannot_start() -> None:
    class OneThread(SequentialThreadingHandler):
        spawned = 0

        def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> Any:
            self.spawned += 1
            if self.spawned > 1:
                raise RuntimeError("can't start new thread")
            return super().spawn(func, *args, **kwargs)

    handler = OneThread()
    ran: list[int] = []
    handler.start()
    dispatch(handler, int)
    parked(handler)
    for number in range(3):
        result = handler.async_result()
        result.link(lambda done: ran.append(done.value))
        result.set(number)
    assert ran == []
    (stopping,) = start_threads(handler.stop)
    ended(stopping)
    assert ran == [0, 1, 2]
    assert not handler.running


class StartInterrupted(SequentialThreadingHandler):
    """Ctrl-C comes while the first worker starts, of which nobody knows then if it did."""

    interrupts = 1

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> threading.Thread:
        thread = super().spawn(func, *args, **kwargs)
        if self.interrupts:
            self.interrupts -= 1
            raise KeyboardInterrupt
        return thread


def test_ctrl_c_while_a_worker_starts_makes_no_second_one() -> None:
    handler = StartInterrupted()
    handler.start()
    running: list[int] = []
    most: list[int] = []
    gate = threading.Event()

    def callback() -> None:
        running.append(1)
        gate.wait(LIMIT)
        most.append(len(running))
        running.pop()

    with pytest.raises(KeyboardInterrupt):
        handler.dispatch_callback(Callback("test", callback, ()))
    for _ in range(3):
        handler.dispatch_callback(Callback("test", callback, ()))
    stopper = threading.Thread(target=handler.stop, daemon=True)
    stopper.start()
    gate.set()
    stopper.join(LIMIT)
    assert not stopper.is_alive()
    assert most == [1] * 4


@pytest.mark.parametrize("name", ["_ensure_worker", "_start_workers", "_put_drain"])
def test_ctrl_c_at_any_instruction_leaves_a_handler_that_stops(name: str) -> None:
    handlers: list[SequentialThreadingHandler] = []

    def setup() -> tuple[Callable[[], object], Callable[[], object]]:
        handler = SequentialThreadingHandler()
        handlers.append(handler)
        handler.start()

        def body() -> None:
            with contextlib.suppress(KeyboardInterrupt):
                handler.dispatch_callback(Callback("test", len, ("",)))
                handler.stop()

        def interrupt() -> None:
            raise KeyboardInterrupt

        return body, interrupt

    instructions = 0
    for _ in at_each_instruction(getattr(Lifecycle, name), setup):
        instructions += 1
        stopper = threading.Thread(target=handlers[-1].stop, daemon=True)
        stopper.start()
        stopper.join(LIMIT)
        assert not stopper.is_alive()
        assert not handlers[-1].running
    assert instructions > 10


class ExitInterrupted(SequentialThreadingHandler):
    """Ctrl-C comes as the lock is given back, once: at the end of a ``with`` block."""

    #: After how many blocks.
    blocks = 0

    def new_native_rlock(self) -> Any:
        lock = super().new_native_rlock()
        main = threading.current_thread()

        class InterruptedLock:
            _is_owned = lock._is_owned

            def __enter__(_) -> None:
                lock.acquire()

            def __exit__(_, *error: object) -> None:
                lock.release()
                if threading.current_thread() is main:
                    self.blocks -= 1
                    if self.blocks == 0:
                        raise KeyboardInterrupt

        return InterruptedLock()


def test_ctrl_c_as_the_lock_is_given_back_leaves_a_handler_that_works() -> None:
    interrupted = 0
    while True:
        handler = ExitInterrupted()
        handler.start()
        handler.blocks = interrupted + 1
        result = handler.async_result()
        try:
            result.link(repr)
            handler.dispatch_callback(Callback("test", len, ("",)))
            result.set()
            handler.stop()
        except KeyboardInterrupt:
            interrupted += 1
        else:
            break
        ran = threading.Event()
        ended(*start_threads(handler.start))
        ended(*start_threads(functools.partial(dispatch, handler, ran.set)))
        assert ran.wait(LIMIT), interrupted
        ended(*start_threads(handler.stop))
    assert interrupted > 5


def test_a_thousand_links_that_ask_the_program_to_end_are_all_called() -> None:
    result: AsyncResult[int] = AsyncResult()
    called: list[int] = []

    def leave(number: int) -> None:
        called.append(number)
        raise SystemExit(number)

    for number in range(3000):
        result.link(lambda _, number=number: leave(number))
    with pytest.raises(SystemExit, match=r"^0$"):
        result.set(1)
    assert called == list(range(3000))


class WithoutThreads(SequentialThreadingHandler):
    """No worker can start, so the caller of ``stop`` is the worker: here, where it is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.exits: list[BaseException] = []

    def spawn_worker(self, run: object, if_never_begun: object) -> Any:
        raise RuntimeError("can't start new thread")

    def deliver_exit(self, exception: BaseException) -> None:
        self.exits.append(exception)


@pytest.mark.parametrize(
    "function", [run_items, Lifecycle._finish_drain, Lifecycle._put_drain], ids=lambda f: f.__name__
)
def test_ctrl_c_at_any_instruction_of_a_worker_leaves_a_handler_that_stops(
    function: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, logger="handler_core")
    handlers: list[WithoutThreads] = []

    def setup() -> tuple[Callable[[], object], Callable[[], object]]:
        handler = WithoutThreads()
        handlers.append(handler)
        handler.start()
        for _ in range(2):
            handler.dispatch_callback(Callback("test", len, ("",)))

        def body() -> None:
            with contextlib.suppress(KeyboardInterrupt):
                handler.stop()

        def interrupt() -> None:
            raise KeyboardInterrupt

        return body, interrupt

    for number in at_each_instruction(function, setup):
        stopper = threading.Thread(target=handlers[-1].stop, daemon=True)
        stopper.start()
        stopper.join(LIMIT)
        assert not stopper.is_alive(), f"at instruction {number}"
        assert not handlers[-1].running
