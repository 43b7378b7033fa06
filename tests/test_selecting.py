from __future__ import annotations

import contextlib
import decimal
import fcntl
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

from handler_core import (
    create_socket_pair,
    fileobj_to_fd,
    get_handler,
    poll_select,
    selector_select,
)
from handler_core.network import NestedEpoll, cooperative_select, take_poll_set


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


@pytest.fixture
def tcp() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    with client, accepted:
        yield client, accepted


def handler_select(*args: Any, **kwargs: Any) -> Any:
    return get_handler("threading").select(*args, **kwargs)


ALL = [poll_select, selector_select, handler_select]


@pytest.fixture(params=ALL, ids=lambda function: function.__name__)
def selecting(request: pytest.FixtureRequest) -> Callable[..., Any]:
    function: Callable[..., Any] = request.param
    return function


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
        timeout = 1e6  # the selectors module counts no further
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


# Refused.


def unopened() -> int:
    """Return a descriptor that is not open, and that nobody is given next."""
    fd = fcntl.fcntl(0, fcntl.F_DUPFD, 900)
    os.close(fd)
    return fd


def test_a_closed_socket(selecting: Callable[..., Any]) -> None:
    with socket.socket() as closed:
        pass
    for lists in (([closed], [], []), ([], [closed], []), ([], [], [closed])):
        with pytest.raises(ValueError, match="negative descriptor"):
            selecting(*lists, 0)


@pytest.mark.parametrize("bad", ["x", b"x", None, 1.0, object(), [[3]], [None], ["3"], [1.5]])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_what_is_no_list_of_sockets(
    selecting: Callable[..., Any], bad: object, position: int
) -> None:
    lists: list[Any] = [[], [], []]
    lists[position] = bad
    with pytest.raises(TypeError):
        selecting(*lists, 0)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_negative_descriptor(selecting: Callable[..., Any], position: int) -> None:
    lists: list[Any] = [[], [], []]
    lists[position] = [-1]
    with pytest.raises(ValueError, match="negative"):
        selecting(*lists, 0)


@pytest.mark.parametrize("position", [0, 1])
def test_a_descriptor_that_is_not_open(selecting: Callable[..., Any], position: int) -> None:
    fd = unopened()
    lists: list[Any] = [[], [], []]
    lists[position] = [fd]
    with pytest.raises(OSError, match="Bad file descriptor"):
        selecting(*lists, 0)


def test_a_descriptor_for_exceptions_that_is_not_open() -> None:
    fd = unopened()
    with pytest.raises(OSError, match="Bad file descriptor"):
        poll_select([], [], [fd], 0)


@pytest.mark.parametrize("timeout", [-1, -0.0001, float("-inf"), float("nan")])
def test_a_timeout_that_is_negative_or_no_number(
    selecting: Callable[..., Any], timeout: float
) -> None:
    with pytest.raises(ValueError, match="timeout"):
        selecting([], [], [], timeout)


@pytest.mark.parametrize("timeout", ["1", b"1", "", [], object(), 1j])
def test_a_timeout_of_another_type(selecting: Callable[..., Any], timeout: object) -> None:
    with pytest.raises(TypeError):
        select.select([], [], [], timeout)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="timeout"):
        selecting([], [], [], timeout)


# The short forms.


def test_the_short_form_of_a_handler(pair: tuple[socket.socket, socket.socket]) -> None:
    handler = get_handler("threading")
    left, right = pair
    assert handler.select([left], 0) == ([], [left], [])
    assert handler.select([left, right], timeout=0) == ([], [left, right], [])
    right.send(b"x")
    assert handler.select([left, right], None) == ([left], [left, right], [])
    assert handler.select(sockets=(each for each in pair), timeout=10) == (
        [left],
        [left, right],
        [],
    )
    begun = time.monotonic()
    assert handler.select([right], 0.03) == ([], [right], [])
    assert time.monotonic() - begun >= 0.03
    with pytest.raises(ValueError, match="timeout"):
        handler.select([left], -1)
    with pytest.raises(ValueError, match="timeout"):
        handler.select([left], float("nan"))


@pytest.mark.parametrize("args", [(), ([],), ([], []), ([], "1"), ([], [], [], 1, 1), ([], b"")])
def test_what_is_neither_form(args: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        get_handler("threading").select(*args)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"sockets": []},
        {"sockets": [], "rlist": [], "timeout": 1},
        {"sockets": [], "rlist": [], "wlist": [], "xlist": [], "timeout": 0},
        {"timeout": 1},
        {"rlist": [], "xlist": []},
        {"sockets": [], "xlist": [], "timeout": 1},
        {"wlist": [], "timeout": 1},
        {"nonsense": 1},
    ],
)
def test_keywords_that_are_neither_form(kwargs: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        get_handler("threading").select(**kwargs)


def test_a_selector_of_the_callers(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    with selectors.DefaultSelector() as selector:
        key = selector.register(left, selectors.EVENT_READ, "data")
        assert selector_select(selector, 0) == []
        right.send(b"x")
        assert selector_select(selector, 10) == [(key, selectors.EVENT_READ)]
        assert selector_select(selector=selector, timeout=None) == [(key, selectors.EVENT_READ)]
        assert selector_select(selector) == [(key, selectors.EVENT_READ)]
        with pytest.raises(ValueError, match="timeout"):
            selector_select(selector, -1)
        with pytest.raises(TypeError, match="timeout"):
            selector_select(selector, "1")
        with pytest.raises(TypeError):
            selector_select(selector, 0, 0)
    with pytest.raises((ValueError, RuntimeError)):
        selector_select(selector, 0)


def test_another_selectors_module(pair: tuple[socket.socket, socket.socket]) -> None:
    used = []

    class Selectors:
        EVENT_READ = selectors.EVENT_READ
        EVENT_WRITE = selectors.EVENT_WRITE

        class DefaultSelector(selectors.PollSelector):
            def __init__(self) -> None:
                super().__init__()
                used.append(self)

    left, _ = pair
    assert selector_select([left], [left], [], 0, Selectors) == ([], [left], [])
    assert selector_select(
        rlist=[left], wlist=[left], xlist=[], timeout=0, selectors_module=Selectors
    ) == ([], [left], [])
    assert len(used) == 2


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


# fileobj_to_fd.


def test_fileobj_to_fd(pair: tuple[socket.socket, socket.socket]) -> None:
    class File:
        def fileno(self) -> int:
            return 7

    assert fileobj_to_fd(pair[0]) == pair[0].fileno()
    assert fileobj_to_fd(File()) == 7
    assert fileobj_to_fd(0) == 0
    assert fileobj_to_fd(12345) == 12345
    assert type(fileobj_to_fd(True)) is int


class _BadFile:
    def __init__(self, fd: object) -> None:
        self.fd = fd

    def fileno(self) -> Any:
        return self.fd


@pytest.mark.parametrize(
    "bad",
    ["x", b"", None, 1.0, [], [3], (), object(), _BadFile("3"), _BadFile(None), _BadFile(2.0)],
)
def test_what_is_no_file(bad: Any) -> None:
    with pytest.raises(TypeError):
        fileobj_to_fd(bad)


def test_an_attribute_fileno_that_cannot_be_called() -> None:
    class File:
        fileno = 3

    with pytest.raises(TypeError):
        fileobj_to_fd(File())  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [-1, -(2**40), _BadFile(-1)])
def test_negative_descriptors(bad: Any) -> None:
    with pytest.raises(ValueError, match="negative"):
        fileobj_to_fd(bad)


def test_a_closed_file() -> None:
    with tempfile.TemporaryFile() as file:
        pass
    with pytest.raises(ValueError, match="closed"):
        fileobj_to_fd(file)
    with socket.socket() as sock:
        pass
    with pytest.raises(ValueError, match="closed"):
        fileobj_to_fd(sock)


@pytest.mark.parametrize("wrong", ["", "x", b"", b"\x01", bytearray(b"\x01")])
def test_the_short_form_takes_no_string(wrong: Any) -> None:
    with pytest.raises(TypeError, match="expected a list of sockets"):
        get_handler("threading").select(wrong, 0)


# What a green select keeps, whoever's hub waits.


def wait_here(nested: NestedEpoll, timeout: float | None) -> None:
    assert select.select([nested], [], [], timeout) is not None


def test_an_exception_thrown_into_a_wait_gives_its_descriptor_back() -> None:
    class Thrown(BaseException):
        pass

    def throw(nested: NestedEpoll, timeout: float | None) -> None:
        raise Thrown

    left, right = create_socket_pair()
    with left, right:
        before = set(os.listdir("/proc/self/fd"))
        kept = []
        for _ in range(5):
            poll_set, sockets = take_poll_set([left], [], [])
            with pytest.raises(Thrown) as caught:
                cooperative_select(poll_set, sockets, None, throw)
            kept.append(caught.value)  # and with it the frames of the wait
            assert set(os.listdir("/proc/self/fd")) == before
    assert len(kept) == 5


def test_a_wait_for_other_objects_with_the_same_numbers_gives_back_what_was_kept() -> None:
    class Wrapped:
        def __init__(self, inside: Any) -> None:
            self.fileno = inside.fileno

    before = set(os.listdir("/proc/self/fd"))
    pairs = [create_socket_pair() for _ in range(5)]
    for left, right in pairs:
        for watched in (left, Wrapped(left)):
            poll_set, sockets = take_poll_set([watched], [], [])
            assert cooperative_select(poll_set, sockets, 0.0001, wait_here) == ([], [], [])
        right.close()
        left.close()
    assert set(os.listdir("/proc/self/fd")) == before
