from __future__ import annotations

import contextlib
import gc
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_plugins import run
from handler_core_threading import SequentialThreadingHandler
from interrupting import at_each_instruction

from handler_core import AsyncResult, Callback, Handler, ThreadWaiter, get_handler
from handler_core.execution._lifecycle import Lifecycle

# Seconds after which something that should happen is taken not to happen.
LIMIT = 30.0


@pytest.fixture
def handler() -> Iterator[Handler]:
    handler = get_handler("threading")
    yield handler
    handler.stop()


def dispatch(handler: Handler, function: Callable[..., object], *args: object) -> None:
    handler.dispatch_callback(Callback("test", function, args))


def ended(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def start_threads(*functions: Callable[[], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=function, daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    return threads


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


def test_what_is_dispatched_during_the_drain_waits_for_the_next_start(handler: Handler) -> None:
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


def parked(handler: Any, mailbox: str = "_callbacks") -> None:
    """Wait until the worker is parked."""
    deadline = time.monotonic() + 10
    while getattr(handler, mailbox).waiter is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)


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


# Memory and the end of the program.


def test_an_idle_worker_keeps_no_callback_alive(handler: Handler) -> None:
    class Thing:
        pass

    handler.start()
    thing = Thing()
    reference = weakref.ref(thing)
    ran = threading.Event()
    handler.dispatch_callback(Callback("test", lambda thing: ran.set(), (thing,)))
    del thing
    assert ran.wait(10)
    parked(handler)
    assert reference() is None


def test_stopped_handlers_are_collected() -> None:
    references = []
    threads = threading.active_count()
    for _ in range(100):
        handler = get_handler("threading")
        with handler:
            dispatch(handler, int)
            result = handler.async_result()
            result.link(lambda done: None)
            result.set(1)
        references.append(weakref.ref(handler))
    del handler, result
    gc.collect()
    assert [reference for reference in references if reference() is not None] == []
    assert threading.active_count() == threads


@pytest.mark.parametrize("when", ["before", "in atexit"])
@pytest.mark.parametrize("stops", [True, False])
def test_a_dispatch_from_an_atexit_function(when: str, stops: bool) -> None:
    program = f"""
        import atexit, logging
        from handler_core import Callback, get_handler

        logging.disable()
        handler = get_handler("threading")
        ran = []
        if {when == "before"}:
            handler.start()
            handler.dispatch_callback(Callback("test", int, ()))

        def at_exit():
            handler.start()
            for number in range(3):
                handler.dispatch_callback(Callback("test", ran.append, (number,)))
            result = handler.async_result()
            result.link(lambda done: ran.append(3))
            result.set(1)
            if {stops}:
                handler.stop()
                print(sorted(ran), handler.running)

        atexit.register(at_exit)
    """
    assert run(program) == ("[0, 1, 2, 3] False\n" if stops else "")


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


def test_the_interpreter_exits_with_a_blocked_callback() -> None:
    assert (
        run("""
            import threading
            from handler_core import Callback, get_handler

            handler = get_handler("threading")
            handler.start()
            blocked = threading.Event()

            def block():
                blocked.set()
                threading.Event().wait()

            handler.dispatch_callback(Callback("test", block, ()))
            blocked.wait(10)
            print("at its end")
        """)
        == "at its end\n"
    )


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


@pytest.mark.parametrize("name", ["_ensure_worker", "_put_drain"])
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

    def spawn_worker(self, func: Callable[..., object], *args: Any) -> Any:
        raise RuntimeError("can't start new thread")

    def deliver_exit(self, exception: BaseException) -> None:
        self.exits.append(exception)


@pytest.mark.parametrize("name", ["_run", "_finish_drain", "_put_drain"])
def test_ctrl_c_at_any_instruction_of_a_worker_leaves_a_handler_that_stops(
    name: str, caplog: pytest.LogCaptureFixture
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

    for number in at_each_instruction(getattr(Lifecycle, name), setup):
        stopper = threading.Thread(target=handlers[-1].stop, daemon=True)
        stopper.start()
        stopper.join(LIMIT)
        assert not stopper.is_alive(), f"at instruction {number}"
        assert not handlers[-1].running
