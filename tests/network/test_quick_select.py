"""The compiled ``select`` gives what the ordinary way gives, or leaves the call to that."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from handler_core import poll_select
from handler_core.network import _select, take_poll_set
from handler_core.network._short_calls import quick_select

needs_it = pytest.mark.skipif(quick_select is None, reason="the Python source runs")


@pytest.fixture
def files() -> Iterator[list[Any]]:
    """Sockets and descriptors in every state."""
    with contextlib.ExitStack() as stack:
        idle, readable, full, hung_up, urgent = pairs = [socket.socketpair() for _ in range(5)]
        for pair in pairs:
            for end in pair:
                stack.enter_context(end)
        readable[1].send(b"x")
        full[0].setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                full[0].send(bytes(10_000))
        hung_up[1].close()
        urgent[1].send(b"x", socket.MSG_OOB)
        read_end, write_end = os.pipe()
        os.close(read_end)
        stack.callback(os.close, write_end)
        regular = stack.enter_context(tempfile.TemporaryFile())
        yield [*idle, *readable, *full, hung_up[0], *urgent, write_end, regular, regular.fileno()]


def outcome(select: Callable[[], Any]) -> Any:
    try:
        return select()
    except Exception as error:
        return type(error), str(error)


def ordinarily(lists: list[list[Any]]) -> Any:
    poll_set, sockets = take_poll_set(*lists)
    return poll_set.poll(sockets, 0)


@needs_it
@pytest.mark.parametrize("may_block", [True, False])
def test_both_ways_give_the_same(may_block: bool, files: list[Any]) -> None:
    assert quick_select is not None
    chance = random.Random(5)
    for _ in range(3000):
        lists = [chance.choices(files, k=chance.choice([0, 0, 1, 1, 2, 3, 9])) for _ in range(3)]
        quickly: Any = [chance.choice([list, tuple])(each) for each in lists]
        timeout = chance.choice([0, 0.0])
        assert quick_select(*quickly, timeout, may_block) == ordinarily(lists)


class Odd:
    """An object with a ``fileno()`` of some kind."""

    def __init__(self, func: Callable[[], Any]) -> None:
        self.fileno = func


def fails(error: Exception) -> Callable[[], Any]:
    def fileno() -> Any:
        raise error

    return fileno


@needs_it
@pytest.mark.parametrize(
    "odd",
    [
        -1,
        2**31,
        2**80,
        -(2**80),
        True,
        "0",
        None,
        3.0,
        999_999,  # not open
        Odd(lambda: -1),
        Odd(lambda: 2**80),
        Odd(lambda: True),
        Odd(lambda: "0"),
        Odd(lambda: None),
        Odd(fails(TypeError("bad"))),
        Odd(fails(AttributeError("bad"))),
        Odd(fails(OSError("bad"))),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_odd_objects(odd: Any, place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = socket.socketpair()
    with left, right:
        lists: list[list[Any]] = [[left], [left], [left]]
        lists[place].append(odd)
        quickly = outcome(lambda: poll_select(*lists, 0))
        monkeypatch.setattr(_select, "quick_select", None)
        assert quickly == outcome(lambda: poll_select(*lists, 0))


@needs_it
@pytest.mark.parametrize(
    "timeout", ["1", -1, -0.5, float("nan"), float("-inf"), 10**400, -(10**400), [], 1j]
)
def test_odd_timeouts(timeout: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = socket.socketpair()
    with left, right:
        quickly = outcome(lambda: poll_select([], [left], [], timeout))
        monkeypatch.setattr(_select, "quick_select", None)
        assert quickly == outcome(lambda: poll_select([], [left], [], timeout))


@needs_it
def test_the_lists_may_change_meanwhile() -> None:
    """``fileno()`` is Python code, which may do anything."""
    assert quick_select is not None
    left, right = socket.socketpair()
    with left, right:
        right.send(b"x")
        watched: list[Any] = [left] * 3

        def fileno() -> int:
            watched.clear()
            return left.fileno()

        odd = Odd(fileno)
        watched += [odd, left]
        assert quick_select(watched, (), (), 0, True) == ([left, left, left, odd, left], [], [])
        assert watched == []


@needs_it
def test_it_does_not_block_where_it_may_not() -> None:
    assert quick_select is not None
    left, right = socket.socketpair()
    with left, right:
        assert quick_select([left], [], [], None, False) is None
        assert quick_select([left], [], [], 60, False) is None
        assert quick_select([left], [], [], 0, False) == ([], [], [])
        right.send(b"x")
        assert quick_select([left], [], [], None, False) == ([left], [], [])


class Stop(Exception):
    """What the signal handler raises."""


@pytest.mark.parametrize("timeout", [None, 60])
def test_a_signal_handler_ends_a_wait_by_an_exception(timeout: float | None) -> None:
    left, right = socket.socketpair()
    handled = threading.Event()

    def handle(number: int, frame: Any) -> None:
        if not handled.is_set():
            handled.set()
            raise Stop

    def interrupt() -> None:
        while not handled.wait(0.01):  # the wait may not have begun
            os.kill(os.getpid(), signal.SIGUSR1)

    def wait() -> None:
        thread.start()
        poll_select([left], [], [], timeout)

    before = signal.signal(signal.SIGUSR1, handle)
    thread = threading.Thread(target=interrupt)
    try:
        with left, right, pytest.raises(Stop):
            wait()
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
