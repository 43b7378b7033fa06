from __future__ import annotations

import contextlib
import decimal
import fractions
import os
import resource
import select
import selectors
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from handler_core import poll_select, selector_select

from .select_functions import ALL, handler_select

# Ready.


def test_the_callers_own_objects_come_back(
    selecting: Callable[..., Any], pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    assert selecting([left], [], [], 0) == ([], [], [])
    right.send(b"x")
    readable, writable, exceptional = selecting([left, right], [left], [left], 10)
    assert readable[0] is left
    assert len(readable) == 1
    assert writable[0] is left
    assert exceptional == []


def test_the_order_is_that_of_the_arguments(selecting: Callable[..., Any]) -> None:
    with contextlib.ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(20)]
        for left, right in pairs:
            stack.enter_context(left)
            stack.enter_context(right)
            right.send(b"x")
        watched = [left for left, _ in reversed(pairs)]
        assert selecting(watched, watched, [], 10) == (watched, watched, [])


def test_duplicates_and_mixtures(
    selecting: Callable[..., Any], pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    right.send(b"x")
    same = [left, left.fileno(), left]
    assert selecting(same, same, same, 10) == (same, same, [])


def test_sets_tuples_and_generators(
    selecting: Callable[..., Any], pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    right.send(b"x")
    assert selecting({left}, (left,), (each for each in ()), 10) == ([left], [left], [])
    assert selecting((each for each in pair), (each for each in pair), [], 10) == (
        [left],
        [left, right],
        [],
    )


def test_nothing_to_watch_waits(selecting: Callable[..., Any]) -> None:
    begun = time.monotonic()
    assert selecting([], [], [], 0.03) == ([], [], [])
    assert time.monotonic() - begun >= 0.03
    assert selecting([], [], [], 0) == ([], [], [])


def test_it_waits_and_never_ends_early(
    selecting: Callable[..., Any], pair: tuple[socket.socket, socket.socket]
) -> None:
    left, _ = pair
    for timeout in (0.0001, 0.0105, 0.05):
        begun = time.monotonic()
        assert selecting([left], [], [left], timeout) == ([], [], [])
        assert time.monotonic() - begun >= timeout


@pytest.mark.parametrize("timeout", [None, 3600, 1e6, 2**40 / 1000])
def test_it_wakes(
    selecting: Callable[..., Any],
    pair: tuple[socket.socket, socket.socket],
    timeout: float | None,
) -> None:
    left, right = pair
    timer = threading.Timer(0.02, right.send, (b"x",))
    timer.start()
    if selecting is selector_select and timeout is not None and timeout > 1e6:
        timeout = 1e6  # the longest that the selectors module takes
    assert selecting([left], [], [], timeout) == ([left], [], [])
    timer.join()


@pytest.mark.parametrize("timeout", [1e300, float("inf"), 3e9, 10**15])
def test_enormous_timeouts(pair: tuple[socket.socket, socket.socket], timeout: float) -> None:
    left, right = pair
    timer = threading.Timer(0.02, right.send, (b"x",))
    timer.start()
    assert poll_select([left], [], [], timeout) == ([left], [], [])
    timer.join()


def test_the_timeout_may_be_left_out(
    selecting: Callable[..., Any], pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    assert selecting([], [left], []) == ([], [left], [])
    assert selecting(rlist=[], wlist=[right], xlist=[], timeout=None) == ([], [right], [])


@pytest.mark.parametrize("timeout", [True, decimal.Decimal("0.01"), fractions.Fraction(1, 100)])
def test_other_kinds_of_numbers(
    selecting: Callable[..., Any], pair: tuple[socket.socket, socket.socket], timeout: Any
) -> None:
    assert selecting([], [pair[0]], [], timeout) == ([], [pair[0]], [])


# Hang-up, errors, out-of-band data.


def test_a_closed_peer_is_readable(
    selecting: Callable[..., Any], pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    right.close()
    assert selecting([left], [left], [], 10) == ([left], [left], [])


def test_pipes_with_closed_ends(selecting: Callable[..., Any]) -> None:
    read, write = os.pipe()
    os.close(write)
    try:
        assert selecting([read], [], [], 10) == ([read], [], [])
    finally:
        os.close(read)
    read, write = os.pipe()
    os.close(read)
    try:
        assert selecting([], [write], [], 10) == ([], [write], [])
    finally:
        os.close(write)


def test_a_hang_up_reaches_who_watches_for_exceptions_alone() -> None:
    left, right = socket.socketpair()
    with left:
        right.close()
        assert poll_select([], [], [left], 10) == ([], [], [left])
        assert poll_select([left], [], [left], 10) == ([left], [], [])


def test_a_refused_connection_is_ready(selecting: Callable[..., Any]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = unused.getsockname()
        with socket.socket() as client:
            client.setblocking(False)
            client.connect_ex(address)
            readable, writable, _ = selecting([client], [client], [], 10)
            assert readable == [client]
            assert writable == [client]


@pytest.mark.parametrize("selecting_oob", [poll_select, handler_select])
def test_out_of_band_data(
    selecting_oob: Callable[..., Any], tcp: tuple[socket.socket, socket.socket]
) -> None:
    client, accepted = tcp
    assert selecting_oob([accepted], [], [accepted], 0) == ([], [], [])
    client.send(b"!", socket.MSG_OOB)
    assert selecting_oob([], [], [accepted], 10) == ([], [], [accepted])
    assert selecting_oob([], [accepted], [accepted, accepted], 10) == (
        [],
        [accepted],
        [accepted, accepted],
    )
    assert select.select([accepted], [], [accepted], 0) == selecting_oob(
        [accepted], [], [accepted], 0
    )
    assert accepted.recv(1, socket.MSG_OOB) == b"!"


def test_regular_files_are_always_ready() -> None:
    with tempfile.TemporaryFile() as file:
        assert poll_select([file], [file], [], 10) == ([file], [file], [])
        assert select.select([file], [file], [], 10) == ([file], [file], [])
        if hasattr(selectors, "EpollSelector"):
            with pytest.raises(PermissionError):
                selector_select([file], [], [], 0)


# Many descriptors.


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 9000:
        if hard != resource.RLIM_INFINITY and hard < 9000:
            pytest.skip(f"the limit of descriptors is {hard}, and 9,000 are needed: ulimit -n 9000")
        resource.setrlimit(resource.RLIMIT_NOFILE, (9000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_4000_descriptors(selecting: Callable[..., Any]) -> None:
    with contextlib.ExitStack() as stack:
        lefts, rights = [], []
        for _ in range(4000):
            left, right = socket.socketpair()
            lefts.append(stack.enter_context(left))
            rights.append(stack.enter_context(right))
        assert max(left.fileno() for left in lefts) > 4000
        assert selecting(lefts, [], lefts, 0) == ([], [], [])
        for index in (0, 1999, 3999):
            rights[index].send(b"x")
        assert selecting(lefts, [], lefts, 10) == ([lefts[0], lefts[1999], lefts[3999]], [], [])
        assert selecting([], lefts, [], 10) == ([], lefts, [])
        for right in rights:
            right.send(b"x")
        assert selecting(lefts, lefts, [], 10) == (lefts, lefts, [])


def test_no_descriptor_is_left_open(pair: tuple[socket.socket, socket.socket]) -> None:
    left, _ = pair
    before = len(os.listdir("/proc/self/fd"))
    for function in ALL:
        for _ in range(10):
            function([left], [left], [], 0)
            with pytest.raises(ValueError, match="negative"):
                function([left, -1], [], [], 0)
            with pytest.raises(OSError, match="descriptor"):
                function([left, 100_000], [], [], 0)
    assert len(os.listdir("/proc/self/fd")) == before


def test_many_threads_may_wait_for_one_descriptor(
    selecting: Callable[..., Any], pair: tuple[socket.socket, socket.socket]
) -> None:
    left, right = pair
    got: list[Any] = []
    threads = [
        threading.Thread(target=lambda: got.append(selecting([left], [], [], 60))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    right.send(b"x")
    for thread in threads:
        thread.join(60)
    assert got == [([left], [], [])] * 5
