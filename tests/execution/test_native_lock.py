"""An exception of a signal handler, such as Ctrl-C, never leaves a lock of the core locked."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from execution.tasks import LIMIT
from handler_core import Callback, Handler, create_socket_pair
from handler_core.execution import Lifecycle
from handler_core.execution._synchronization import Event, Lock
from handler_core.execution._waiter import ThreadWaiter

#: How often each call is interrupted. CPython 3.14's own lock fails within some ten times.
TIMES = 500


class Interrupted(BaseException):
    """What the signal handler raises."""


@contextlib.contextmanager
def interruptions() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Yield a function that calls another one until a signal handler interrupts it, many times."""
    armed = False

    def on_signal(number: int, frame: object) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise Interrupted

    def repeat(function: Callable[[], object]) -> None:
        while armed:
            function()

    def interrupt(function: Callable[[], object]) -> None:
        nonlocal armed
        for number in range(TIMES):
            with contextlib.suppress(Interrupted):
                armed = True
                # It comes again, for one that comes just before a thread blocks does not wake it.
                signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + number % 60), 0.01)
                # The loop is a function of its own: the jump back of a loop at the end of a block
                # is outside the block on CPython 3.13.
                repeat(function)

    previous = signal.signal(signal.SIGALRM, on_signal)
    try:
        yield interrupt
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def in_another_thread(function: Callable[[], object]) -> None:
    """Run ``function`` in a thread, which must end: no lock keeps it waiting."""
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "a lock is locked for ever"


def test_a_with_block_always_gives_the_lock_back() -> None:
    lock: Any = Lifecycle().new_native_rlock()

    def once() -> None:
        with lock:
            pass

    def twice() -> None:
        with lock, lock:
            pass

    with interruptions() as interrupt:
        interrupt(once)
        interrupt(twice)
        assert not lock._is_owned()
        with lock:  # an interruption must not give back what was taken before it
            interrupt(once)
            assert lock._is_owned()
    assert not lock._is_owned()


def test_an_interrupted_wait_for_the_lock_does_not_give_it_back() -> None:
    lock: Any = Lifecycle().new_native_rlock()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    held.wait(30)

    def wait() -> None:
        with lock:
            raise AssertionError("two threads have the lock")

    with interruptions() as interrupt:
        interrupt(wait)
    done.set()
    thread.join(30)
    assert lock.acquire(timeout=30)
    lock.release()


# Python drops and reports the exception if it comes in a finalizer.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_handler_goes_on_after_interrupted_calls(handler: Handler) -> None:
    def use() -> None:
        result = handler.async_result()
        result.link(len)
        handler.dispatch_callback(Callback("test", result.unlink, (len,)))
        result.add_waiter(ThreadWaiter())

    handler.start()
    with interruptions() as interrupt:
        interrupt(use)
    run = threading.Event()
    in_another_thread(lambda: handler.dispatch_callback(Callback("test", run.set, ())))
    assert run.wait(30)
    handler.stop()


@pytest.mark.parametrize("primitive", [Event, Lock])
def test_a_primitive_goes_on_after_interrupted_calls(primitive: Any) -> None:
    made = primitive(ThreadWaiter)
    calls = (made.clear, made.set) if primitive is Event else (lambda: made.acquire(False),)

    def use() -> None:
        for call in calls:
            call()

    with interruptions() as interrupt:
        interrupt(use)
    for call in calls:
        in_another_thread(call)


def test_a_socket_pair_goes_on_after_interrupted_calls() -> None:
    reader, writer = create_socket_pair()
    writer.send(bytes(1_000_000))  # more than the kernel has room for: the rest is the backlog

    def use() -> None:
        writer.send(b"x")
        reader.recv(1)

    with interruptions() as interrupt:
        interrupt(use)
    in_another_thread(use)
    reader.close()
    writer.close()


@pytest.mark.parametrize(
    "patch",
    [
        "from gevent.monkey import patch_all; patch_all()",
        "from eventlet import monkey_patch; monkey_patch()",
    ],
    ids=["gevent", "eventlet"],
)
@pytest.mark.parametrize(
    "call",
    [
        "handler.call_later(3600, int).cancel(), handler.call_later(0, func)",
        "handler.dispatch_callback(Callback('test', func, ()))",
    ],
    ids=["call_later", "dispatch_callback"],
)
def test_a_signal_in_the_midst_of_a_call_in_a_patched_process(patch: str, call: str) -> None:
    """A signal handler makes the same call as the task that it interrupts."""
    program = f"""
import sys
{patch}
import signal, time
from handler_core import Callback, get_handler

arrived, ran = [], []

def call(func):
    {call}

def on_signal(*_):
    arrived.append(1)
    call(lambda: ran.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.0005 if len(arrived) < 2000 else 0)

with get_handler("threading") as handler:
    signal.signal(signal.SIGALRM, on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.0005)
    while len(arrived) < 2000:
        for _ in range(50):
            call(int)
        time.sleep(0.0001)  # let the workers run
    done = handler.event_object()
    call(done.set)
    assert done.wait(30)
print(len(ran))
"""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert ended.stdout == "2000\n", ended.stderr
