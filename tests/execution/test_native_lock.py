"""An exception of a signal handler, such as Ctrl-C, never leaves a lock of the core locked."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from handler_core import Callback, Handler, create_socket_pair
from handler_core.execution import Lifecycle
from handler_core.execution._synchronization import Event, Lock
from handler_core.execution._waiter import ThreadWaiter
from handler_core.green import GreenHandler

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


@pytest.mark.parametrize("model", [Lifecycle, GreenHandler])
def test_a_with_block_always_gives_the_lock_back(model: Any) -> None:
    lock: Any = model.new_native_rlock(Lifecycle())

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
