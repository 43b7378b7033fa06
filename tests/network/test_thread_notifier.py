"""The notifier of platforms without ``epoll``. ``make test`` has whole models on it besides."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from handler_core.network import _thread_notifier
from handler_core.network._thread_notifier import ThreadNotifier

# Seconds in which what is expected must happen.
LIMIT = 60

Pair = tuple[socket.socket, socket.socket]

FOLDER = Path(__file__).parent.parent / "without_epoll"


class Planned(Exception):
    """What a test raises in the thread."""


class Threads:
    """The polling threads of one test."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended: queue.SimpleQueue[None] = queue.SimpleQueue()

    def await_end(self) -> None:
        """Wait until the thread has ended that began last."""
        self.ended.get(timeout=LIMIT)
        self.begun -= 1


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Threads]:
    """Let each test have threads of its own, which have ended when it ends."""
    threads = Threads()
    serve = _thread_notifier._PollThread._serve

    def counted(self: _thread_notifier._PollThread, waker: _thread_notifier._Bell) -> None:
        try:
            with contextlib.suppress(Planned):
                serve(self, waker)
        finally:
            threads.ended.put(None)

    def start_new_thread(*args: Any) -> int:
        number: int = start(*args)
        threads.begun += 1
        return number

    start = _thread_notifier._unpatched_thread.start_new_thread
    monkeypatch.setattr(_thread_notifier, "_LINGERS", 0.01)
    monkeypatch.setattr(_thread_notifier, "_poll_thread", _thread_notifier._PollThread())
    monkeypatch.setattr(_thread_notifier._PollThread, "_serve", counted)
    monkeypatch.setattr(_thread_notifier._unpatched_thread, "start_new_thread", start_new_thread)
    yield threads
    while threads.begun:
        threads.await_end()


@pytest.fixture
def pair() -> Iterator[Pair]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


def is_readable(notifier: ThreadNotifier, timeout: float = 0) -> bool:
    return bool(select.select([notifier], [], [], timeout)[0])


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("times", [1, 3])
def test_it_is_readable_once_a_descriptor_is_ready(pair: Pair, times: int) -> None:
    left, right = pair
    notifier = ThreadNotifier({left.fileno(): select.POLLIN})
    for _ in range(times):
        notifier.arm()
        assert not is_readable(notifier, 0.01)
        right.send(b"x")
        assert is_readable(notifier, LIMIT)
        assert left.recv(1) == b"x"
    notifier.close()


def test_it_must_be_armed_for_each_wait(pair: Pair) -> None:
    left, right = pair
    notifier = ThreadNotifier({left.fileno(): select.POLLIN})
    notifier.arm()
    right.send(b"x")
    assert is_readable(notifier, LIMIT)
    notifier.arm()  # the byte is still there
    assert is_readable(notifier, LIMIT)
    left.recv(1)
    notifier.arm()
    assert not is_readable(notifier, 0.01)
    notifier.close()


def test_several_watch_the_same_descriptor_for_different_events(pair: Pair) -> None:
    left, right = pair
    reads = ThreadNotifier({left.fileno(): select.POLLIN})
    writes = ThreadNotifier({left.fileno(): select.POLLOUT, right.fileno(): select.POLLIN})
    reads.arm()
    writes.arm()
    assert is_readable(writes, LIMIT)
    assert not is_readable(reads, 0.01)
    right.send(b"x")
    assert is_readable(reads, LIMIT)
    reads.close()
    writes.close()


def test_it_reports_what_poll_reports_unasked(pair: Pair) -> None:
    left, right = pair
    notifier = ThreadNotifier({left.fileno(): select.POLLPRI})
    notifier.arm()
    assert not is_readable(notifier, 0.01)
    right.close()
    assert is_readable(notifier, LIMIT)
    notifier.close()


def test_who_rings_makes_it_readable_for_good(pair: Pair) -> None:
    notifier = ThreadNotifier({pair[0].fileno(): select.POLLIN})
    notifier.arm()
    notifier.ring()
    assert is_readable(notifier)
    notifier.arm()  # of a task that was about to wait
    assert is_readable(notifier)
    notifier.close()
    notifier.ring()  # by a thread that did not know


def test_a_socket_that_is_closed_meanwhile_says_goodbye(pair: Pair) -> None:
    left, right = pair
    notifier = ThreadNotifier({left.fileno(): select.POLLIN})
    notifier.arm()
    assert not is_readable(notifier, 0.01)
    left.close()  # the thread's poll keeps the connection open
    notifier.close()
    right.settimeout(LIMIT)
    assert right.recv(1) == b""


def test_the_thread_ends_when_nothing_is_armed(pair: Pair, threads: Threads) -> None:
    before = descriptors()
    for _ in range(3):
        notifier = ThreadNotifier({pair[0].fileno(): select.POLLIN})
        notifier.arm()
        assert not is_readable(notifier, 0.05)
        assert (threads.begun, threads.ended.qsize()) == (1, 0)
        notifier.close()
        threads.await_end()
        assert descriptors() == before


def test_a_thread_that_cannot_be_started(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = pair
    before = descriptors()
    notifier = ThreadNotifier({left.fileno(): select.POLLIN})
    with monkeypatch.context() as context:

        def start_new_thread(*_: object) -> int:
            raise RuntimeError("can't start new thread")

        context.setattr(_thread_notifier._unpatched_thread, "start_new_thread", start_new_thread)
        with pytest.raises(RuntimeError, match="can't start"):
            notifier.arm()
    assert len(descriptors()) == len(before) + 2
    notifier.arm()
    right.send(b"x")
    assert is_readable(notifier, LIMIT)
    notifier.close()


def test_a_thread_that_fails_leaves_nobody_waiting(
    pair: Pair, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = pair
    poll = _thread_notifier._poll

    def fail(*_: object) -> dict[int, int]:
        monkeypatch.setattr(_thread_notifier, "_poll", poll)
        raise Planned

    monkeypatch.setattr(_thread_notifier, "_poll", fail)
    notifier = ThreadNotifier({left.fileno(): select.POLLIN})
    notifier.arm()
    assert is_readable(notifier, LIMIT)  # its task looks, finds nothing, and arms it again
    threads.await_end()
    notifier.arm()
    assert not is_readable(notifier, 0.01)
    right.send(b"x")
    assert is_readable(notifier, LIMIT)
    notifier.close()


def test_a_finalizer_closes_another_one_in_the_thread(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = pair
    first, second, third = (ThreadNotifier({left.fileno(): select.POLLIN}) for _ in range(3))
    looked: list[object] = []
    is_due = _thread_notifier._Bell.is_due

    def collect(self: _thread_notifier._Bell, events: Mapping[int, int]) -> bool:
        due = is_due(self, events)
        if due and not looked:
            looked.append(self)
            first.close()
            second.close()
        return due

    monkeypatch.setattr(_thread_notifier._Bell, "is_due", collect)
    for notifier in (first, second, third):
        notifier.arm()
    right.send(b"x")
    assert is_readable(third, LIMIT)
    assert looked
    third.close()


def test_an_interrupt_as_the_thread_starts(
    pair: Pair, threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = pair
    notifier = ThreadNotifier({left.fileno(): select.POLLIN})
    begin = _thread_notifier._unpatched_thread.start_new_thread
    with monkeypatch.context() as context:

        def interrupted(*args: Any) -> int:
            begin(*args)
            raise KeyboardInterrupt

        context.setattr(_thread_notifier._unpatched_thread, "start_new_thread", interrupted)
        with pytest.raises(KeyboardInterrupt):
            notifier.arm()
        threads.await_end()
    notifier.arm()
    right.send(b"x")
    assert is_readable(notifier, LIMIT)
    notifier.close()


def run(program: str, **variables: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env=os.environ | variables,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    return ended.stdout


def test_a_forked_child_has_a_thread_of_its_own() -> None:
    """What it has inherited gets a pair of its own, which the parent does not hear of."""
    said = run(
        """
        import os, select
        from handler_core import create_socket_pair, poll_select
        from handler_core.network import cooperative_select, take_poll_set

        def wait(nested, timeout):
            assert select.select([nested], [], [], timeout)[0]

        left, right = create_socket_pair()

        def hear():
            poll_set, sockets = take_poll_set([left], [], [])
            ready = cooperative_select(poll_set, sockets, 10, wait)
            assert ready == ([left], [], []), ready
            return left.recv(1)

        def answer(nested, timeout):
            right.send(b"p")
            wait(nested, timeout)

        poll_set, sockets = take_poll_set([left], [], [])
        assert cooperative_select(poll_set, sockets, 10, answer)[0] == [left]
        assert left.recv(1) == b"p"
        assert not hasattr(select, "epoll")
        pid = os.fork()
        right.send(b"c" if pid == 0 else b"p")
        assert hear() == (b"c" if pid == 0 else b"p")
        poll_set, sockets = take_poll_set([left], [], [])
        assert cooperative_select(poll_set, sockets, 10, answer)[0] == [left]
        if pid == 0:
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        print("both")
        """,
        PYTHONPATH=str(FOLDER),
    )
    assert said == "both\n"


def test_a_forked_child_takes_no_byte_that_wakes_the_parent() -> None:
    """Its copy of the greenlet waits by a pair of its own."""
    said = run(
        """
        import os, time
        import gevent
        from handler_core import get_handler

        handler = get_handler("gevent")
        left, right = handler.create_socket_pair()
        heard = []

        def wait():
            heard.append(handler.select([left], [], [], None)[0] == [left])

        waiting = gevent.spawn(wait)
        gevent.sleep(0.01)
        woken, wake = os.pipe()
        looked, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.read(woken, 1)
            gevent.sleep(0.05)  # the copy would look now, and wait again
            os.write(tell, b"x")
            os._exit(0 if not heard else 1)
        right.send(b"x")
        time.sleep(0.1)  # the thread rings, and the hub does not run
        os.write(wake, b"x")
        os.read(looked, 1)
        waiting.join()
        assert heard == [True]
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        print("heard")
        """,
        PYTHONPATH=str(FOLDER),
    )
    assert said == "heard\n"


def test_without_poll_the_core_is_refused_in_words() -> None:
    said = run(
        """
        import select
        exec_module = type(select.__spec__.loader).exec_module

        def hide(loader, module):
            exec_module(loader, module)
            module.__dict__.pop("poll", None)

        type(select.__spec__.loader).exec_module = hide
        try:
            import handler_core
        except ImportError as error:
            print(error)
        """
    )
    assert "on Windows, run the program in WSL" in said
