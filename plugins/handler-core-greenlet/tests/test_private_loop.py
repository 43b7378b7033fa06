"""The private loop, and who may ask for it when."""

from __future__ import annotations

import contextvars
import gc
import signal
import threading
import weakref
from collections.abc import Callable
from typing import Any

from handler_core_greenlet import PrivateLoop


class Hub:
    """A hub that does nothing."""

    def has_ended(self) -> bool:
        return False


def test_a_signal_handler_asks_for_the_hub_that_its_thread_waits_for() -> None:
    main = threading.get_ident()
    interrupted = threading.Event()
    hubs: list[Any] = []

    def run(begun: Callable[[Any], None]) -> None:
        if not interrupted.is_set():
            signal.pthread_kill(main, signal.SIGUSR1)
            assert interrupted.wait(60)
        begun(Hub())

    def on_signal(*_: object) -> None:
        interrupted.set()
        hubs.append(loop.hub())

    loop = PrivateLoop("interrupted", run)
    previous = signal.signal(signal.SIGUSR1, on_signal)
    try:
        hubs.append(loop.hub())
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert len(hubs) == 2
    assert hubs[0] is hubs[1] is loop.hub()


def test_it_keeps_no_context_alive() -> None:
    class Value:
        pass

    variable: contextvars.ContextVar[Value] = contextvars.ContextVar("variable")
    end = threading.Event()
    begun_with: list[int] = []

    def run(begun: Callable[[Any], None]) -> None:
        begun_with.append(len(contextvars.copy_context()))
        begun(Hub())
        end.wait(60)

    def ask() -> weakref.ref[Value]:
        value = Value()
        variable.set(value)
        loop.hub()
        return weakref.ref(value)

    loop = PrivateLoop("context", run)
    value = contextvars.Context().run(ask)
    gc.collect()
    assert begun_with == [0]
    assert value() is None
    end.set()
