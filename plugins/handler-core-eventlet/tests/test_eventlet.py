"""What is hard in eventlet, in a process that it has patched and in one that it has not."""

from __future__ import annotations

import builtins
import gc
import logging
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import eventlet
import greenlet
import pytest
from eventlet import hubs, patcher
from eventlet.green import socket
from handler_core_eventlet import AsyncResult, SequentialEventletHandler, TimeoutError

import handler_core
from handler_core import Callback, HandlerTimeoutError, get_handler
from handler_core.testing.suite import LIMIT, Suite, open_descriptors

PATCHED = patcher.is_monkey_patched("thread")
native_thread = patcher.original("_thread")
native_time = patcher.original("time")


class Script(Suite):
    """Runs programs, as the conformance suite does."""

    handler_name = "eventlet"
    prelude = "import eventlet; eventlet.monkey_patch()" if PATCHED else "import eventlet"


class OSThread:
    """A native thread, which the test waits for without the handler's help."""

    def __init__(self, func: Any, *args: Any) -> None:
        self._outcome: list[Any] = []
        native_thread.start_new_thread(self._run, (func, args))

    def _run(self, func: Any, args: Any) -> None:
        try:
            outcome = (func(*args), None)
        except BaseException as error:
            outcome = (None, error)
        self._outcome.append(outcome)

    def join(self) -> Any:
        until(lambda: self._outcome)
        value, error = self._outcome[0]
        if error is not None:
            raise error
        return value


def until(condition: Any) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        eventlet.sleep(0.001)


def natively_until(condition: Any) -> None:
    """As `until`, in an OS thread that is to get no hub."""
    deadline = native_time.monotonic() + LIMIT
    while not condition():
        assert native_time.monotonic() < deadline, "it did not happen"
        native_time.sleep(0.001)


def has_hub() -> bool:
    return hasattr(hubs._threadlocal, "hub")


def dispatch(handler: Any, func: Any, *args: Any) -> None:
    handler.dispatch_callback(Callback("test", func, args))


@pytest.fixture
def handler() -> Iterator[SequentialEventletHandler]:
    handler = SequentialEventletHandler()
    handler.start()
    yield handler
    handler.stop()


# The package.


def test_the_names_are_kazoos() -> None:
    assert isinstance(get_handler("eventlet"), SequentialEventletHandler)
    assert SequentialEventletHandler.timeout_exception is TimeoutError
    assert issubclass(TimeoutError, HandlerTimeoutError)
    assert TimeoutError is not builtins.TimeoutError
    assert not issubclass(TimeoutError, OSError)
    assert SequentialEventletHandler.sleep_func is eventlet.sleep
    assert issubclass(AsyncResult, handler_core.AsyncResult)


def test_a_result_without_a_handler_waits_in_the_hub() -> None:
    result = AsyncResult()
    eventlet.spawn_n(result.set, 1)
    assert result.get(timeout=LIMIT) == 1
    ran: list[Any] = []
    result.link(ran.append)
    assert ran == [result]
    with pytest.raises(TimeoutError):
        AsyncResult().get(timeout=0.01)


def test_the_model_that_runs_the_caller_is_chosen() -> None:
    chosen: list[str] = []
    eventlet.spawn_n(lambda: chosen.append(get_handler().name))
    until(lambda: chosen)
    assert chosen == ["eventlet"]
    assert get_handler().name == ("eventlet" if PATCHED else "threading")
    if not PATCHED:
        assert OSThread(lambda: get_handler().name).join() == "threading"


# From any thread.


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


# The home thread.


def test_a_home_thread_that_has_ended() -> None:
    handler = SequentialEventletHandler()
    ran: list[str] = []

    def home() -> None:
        hubs.get_hub()
        handler.start()
        done = handler.event_object()
        dispatch(handler, done.set)
        done.wait(LIMIT)

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


# Kills and exits.


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


# Fork.

FORK = """
import os, time
from eventlet.green import socket
def in_child(func):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            func()
            status = 0
        finally:
            os._exit(status)
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            assert status == 0, status
            return
        eventlet.sleep(0.005)
"""


def test_a_fork_leaves_the_parents_hub_alone() -> None:
    """What the child's hub does not watch any more, the parent's still does."""
    printed = Script().run_script(
        FORK
        + """
ours, theirs = socket.socketpair()
received = []
def reader():
    while data := ours.recv(100):
        received.append((data, os.getpid()))
handler.start()
task = handler.spawn(reader)
selected = []
other, more = socket.socketpair()
selecting = handler.spawn(lambda: selected.append(handler.select([other], [], [], 20)[0]))
parked = handler.async_result()
waiting = handler.spawn(parked.get)
eventlet.sleep(0.02)
def child():
    assert not handler.running
    with handler:
        result = handler.async_result()
        handler.dispatch_callback(Callback("test", result.set, (1,)))
        assert result.get(timeout=20) == 1
    from_thread = handler.async_result()
    eventlet.patcher.original("_thread").start_new_thread(from_thread.set, (2,))
    assert from_thread.get(timeout=20) == 2
    one, two = socket.socketpair()
    eventlet.spawn_n(one.send, b"x")
    assert two.recv(1) == b"x"
    eventlet.sleep(0.05)
    assert received == []
for _ in range(5):
    in_child(child)
theirs.send(b"data")
more.send(b"y")
selecting.join(20)
assert selected == [[other]], selected
while not received:
    eventlet.sleep(0.001)
assert received == [(b"data", os.getpid())], received
parked.set()
waiting.join(20)
theirs.close()
task.join(20)
assert not task.is_alive()
ring = handler.async_result()
eventlet.patcher.original("_thread").start_new_thread(ring.set, ("the doorbell rings",))
print(ring.get(timeout=20))
handler.stop()
"""
    )
    assert printed == "the doorbell rings\n"


def test_a_fork_in_a_thread_without_a_hub() -> None:
    printed = Script().run_script(
        FORK
        + """
handler.start()
task = handler.spawn(eventlet.sleep, 1000)
done = handler.async_result()
def fork():
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            with handler:
                result = handler.async_result()
                handler.dispatch_callback(Callback("test", result.set, (1,)))
                assert result.get(timeout=20) == 1
            status = 0
        finally:
            os._exit(status)
    done.set(pid)
eventlet.patcher.original("_thread").start_new_thread(fork, ())
print(os.waitstatus_to_exitcode(os.waitpid(done.get(timeout=20), 0)[1]))
handler.stop()
"""
    )
    assert printed == "0\n"


def test_a_process_of_multiprocessing() -> None:
    printed = Script().run_script(
        """
        import multiprocessing
        def work(queue):
            with handler:
                result = handler.async_result()
                handler.dispatch_callback(Callback("test", result.set, ("child",)))
                queue.send(result.get(timeout=20))
        context = multiprocessing.get_context("fork")
        handler.start()
        task = handler.spawn(eventlet.sleep, 1000)
        eventlet.sleep(0)
        for _ in range(3):
            receive, send = context.Pipe(False)
            process = context.Process(target=work, args=(send,))
            process.start()
            print(receive.recv())
            process.join()
            assert process.exitcode == 0
        assert handler.running
        handler.stop()
        """
    )
    assert printed == "child\n" * 3


# Sockets.


def test_a_look_up_does_not_stop_the_hub(handler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = native_thread.allocate_lock()
    asked.acquire()

    def resolve(*question: Any) -> Any:
        if question[-1] == socket.AI_NUMERICHOST:
            raise socket.gaierror
        asked.acquire()
        raise OSError(f"no such host: {question[0]}")

    monkeypatch.setattr("_socket.getaddrinfo", resolve)

    def tick() -> None:
        for _ in range(50):
            eventlet.sleep(0.001)
        asked.release()

    handler.spawn(tick)
    with pytest.raises(OSError, match="no such host: name"):
        handler.create_connection(("name", 1), timeout=LIMIT)
    with pytest.raises(builtins.TimeoutError):
        handler.create_connection(("name", 1), timeout=0.05)
    asked.release()


def test_one_socket_is_read_written_and_selected_at_once(handler: Any) -> None:
    first, second = handler.create_socket_pair()
    with first, second:
        seen: list[Any] = []
        tasks = [
            handler.spawn(lambda: seen.append(second.recv(1))),
            handler.spawn(lambda: seen.append(handler.select([second], [], [], LIMIT)[0])),
            handler.spawn(lambda: seen.append(handler.select([second], [], [], LIMIT)[0])),
            handler.spawn(lambda: seen.append(second.send(b"out"))),
        ]
        eventlet.sleep(0.02)
        first.send(b"xy")
        for task in tasks:
            task.join(LIMIT)
        assert first.recv(3) == b"out"
        assert len(seen) == 4
        assert seen.count([second]) == 2
        assert b"x" in seen


def test_a_descriptor_that_was_closed_under_a_reader_can_be_used_again(handler: Any) -> None:
    """A hub does not hear of a close, and takes the number's next owner for a second reader."""
    first, second = socket.socketpair()

    def read() -> None:
        with pytest.raises(EOFError):
            second.recv(1)

    reader = eventlet.spawn(read)
    eventlet.sleep(0)
    second.close()
    for _ in range(3):  # its number is the next one's: that of an epoll
        assert handler.select([first], [], [first], 0.01)[0] in ([], [first])
        one, two = handler.create_socket_pair()
        with one, two:
            handler.spawn(one.send, b"x")
            assert handler.select([two], [], [], LIMIT)[0] == [two]
    reader.wait()
    first.close()


def test_the_other_end_of_a_pair_sees_the_end() -> None:
    handler = SequentialEventletHandler()
    first, second = handler.create_socket_pair()
    before = open_descriptors()
    first.close()
    assert open_descriptors() == before - 2
    assert second.recv(1) == b""
    second.close()
    gc.collect()


# Nothing is left.


def test_cancelled_timers_are_not_kept(handler: Any) -> None:
    hub = hubs.get_hub()
    for _ in range(1000):
        result = handler.async_result()
        handler.spawn(result.set)
        assert result.wait(LIMIT)
    assert len(hub.timers) + len(hub.next_timers) < 500


def test_a_timeout_longer_than_any_hub_sleeps(handler: Any) -> None:
    for timeout in (1e9, 1e300, float("inf")):
        result = handler.async_result()
        handler.spawn(result.set, 1)
        assert result.get(timeout=timeout) == 1


def test_a_callback_that_always_finds_another_lets_others_run(handler: Any) -> None:
    stop: list[bool] = []

    def again() -> None:
        if not stop:
            dispatch(handler, again)

    dispatch(handler, again)
    for _ in range(5):
        eventlet.sleep(0.001)
    stop.append(True)
    handler.stop()


def test_threads_of_a_patched_process_are_greenlets_to_the_handler(handler: Any) -> None:
    result = handler.async_result()
    thread = threading.Thread(target=result.set, args=(1,))
    thread.start()
    assert result.get(timeout=LIMIT) == 1
    thread.join()


def test_the_warning_is_eventlets_own_and_comes_once() -> None:
    program = (
        "from handler_core import get_handler; get_handler('eventlet'); get_handler('eventlet')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ
    )
    assert ended.stderr.count("Eventlet is deprecated") == 1
