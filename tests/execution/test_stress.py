"""Everything at once: threads, finalizers and signal handlers that link, set and dispatch.

The switch interval and the threshold of the garbage collector are so small that threads change, and
finalizers run, at almost every point where they can. ``HANDLER_CORE_STRESS`` is the number of
rounds; the default takes some seconds.
"""

from __future__ import annotations

import functools
import gc
import os
import signal
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from execution.tasks import LIMIT, ended, start_threads
from handler_core import AsyncResult, Callback, Handler, get_handler

pytestmark = pytest.mark.timeout(600)

ROUNDS = int(os.environ.get("HANDLER_CORE_STRESS", "1500"))
SETTERS = 3


@pytest.fixture(autouse=True)
def restless() -> Iterator[None]:
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(7, 7, 7)
    yield
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


class Ledger:
    """Counts what was asked for, and what was called."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.asked: list[int] = []
        self.called: list[int] = []
        self.numbers = iter(range(10**9))
        self.results: list[weakref.ref[AsyncResult[Any]]] = []
        self.made: list[None] = []
        self.finalized: list[None] = []

    def link_and_set(self, links: int) -> None:
        """Set a result with some links, half of which come after the outcome."""
        result = self.handler.async_result()
        self.results.append(weakref.ref(result))
        for count in range(links):
            if count == links // 2:
                result.set(count)
            number = next(self.numbers)
            self.asked.append(number)
            result.link(lambda result, number=number: self.called.append(number))
        result.set(links)

    def finalize_all(self) -> None:
        """Return when all finalizers have run: what they dispatch later is not run by a stop."""
        while len(self.finalized) < len(self.made):
            gc.collect()  # does nothing while another thread collects

    def dispatch(self) -> None:
        number = next(self.numbers)
        self.asked.append(number)
        self.handler.dispatch_callback(Callback("stress", self.called.append, (number,)))


class Finalized:
    """It is part of a cycle, so the collector finds it at any allocation."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.myself = self
        ledger.made.append(None)

    def __del__(self) -> None:
        self.ledger.link_and_set(2)
        self.ledger.dispatch()
        self.ledger.finalized.append(None)


def test_nothing_is_lost_or_called_twice() -> None:
    with get_handler("threading") as handler:
        ledger = Ledger(handler)

        def set_results() -> None:
            for turn in range(ROUNDS):
                ledger.link_and_set(turn % 4)
                Finalized(ledger)
                ledger.dispatch()

        def interrupted(number: int, frame: object) -> None:
            ledger.link_and_set(3)
            ledger.dispatch()
            signal.setitimer(signal.ITIMER_REAL, 0.0005)

        previous = signal.signal(signal.SIGALRM, interrupted)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0005)
            threads = start_threads(*[set_results] * SETTERS)
            set_results()  # signal handlers run in this thread
            ended(*threads)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
        ledger.finalize_all()
    assert len(ledger.asked) > SETTERS * ROUNDS
    assert sorted(ledger.called) == sorted(ledger.asked)
    gc.collect()
    assert not [each for each in ledger.results if each() is not None]


@pytest.mark.parametrize("links", [1, 3])
def test_the_order_of_links_is_that_of_the_sets(links: int) -> None:
    """Each thread sets its result when it sees that of the thread before it."""
    with get_handler("threading") as handler:
        ledger = Ledger(handler)
        called: list[int] = []
        results = [handler.async_result() for _ in range(ROUNDS * SETTERS)]
        for number, result in enumerate(results):
            for _ in range(links):
                result.link(lambda result, number=number: called.append(number))

        def take_turns(first: int) -> None:
            for number in range(first, len(results), SETTERS):
                Finalized(ledger)
                while number and not results[number - 1].ready():
                    pass
                results[number].set(number)

        turns = [functools.partial(take_turns, first) for first in range(SETTERS)]
        ended(*start_threads(*turns))
        ledger.finalize_all()
    assert called == [number for number in range(len(results)) for _ in range(links)]
    assert sorted(ledger.called) == sorted(ledger.asked)


def test_waiters_wake_once_each() -> None:
    with get_handler("threading") as handler:
        ledger = Ledger(handler)
        there = [handler.async_result() for _ in range(ROUNDS)]
        back = [handler.async_result() for _ in range(ROUNDS)]

        def answer() -> None:
            for question, reply in zip(there, back, strict=True):
                assert question.get(timeout=LIMIT) == "question"
                Finalized(ledger)
                reply.set("reply")

        (thread,) = start_threads(answer)
        for question, reply in zip(there, back, strict=True):
            question.set("question")
            assert reply.get(timeout=LIMIT) == "reply"
        ended(thread)
        ledger.finalize_all()
    assert sorted(ledger.called) == sorted(ledger.asked)
