from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from handler_core import create_socket_pair
from handler_core.network import NestedPoll, _poll_set, cooperative_select, take_poll_set


def wait_here(nested: NestedPoll, timeout: float | None) -> None:
    assert select.select([nested], [], [], timeout) is not None


def test_an_exception_thrown_into_a_wait_gives_its_descriptor_back() -> None:
    class Thrown(BaseException):
        pass

    def throw(nested: NestedPoll, timeout: float | None) -> None:
        raise Thrown

    left, right = create_socket_pair()
    with left, right:
        before = set(os.listdir("/proc/self/fd"))
        kept = []
        for _ in range(5):
            poll_set, sockets = take_poll_set([left], [], [])
            with pytest.raises(Thrown) as caught:
                cooperative_select(poll_set, sockets, None, throw)
            kept.append(caught.value)  # which keeps the frames of the wait
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


@pytest.mark.parametrize("when", ["before the wait", "while it waits", "as it begins"])
def test_c4_a_socket_that_is_closed_ends_the_wait(
    when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, right = create_socket_pair()
    other, its_end = create_socket_pair()
    before = len(os.listdir("/proc/self/fd"))

    def wait(nested: NestedPoll, timeout: float | None) -> None:
        if when == "while it waits":
            left.shutdown(socket.SHUT_RDWR)
            left.close()
        assert select.select([nested], [], [], 10)[0] == [nested]

    class Closing(NestedPoll):
        __slots__ = ()

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            if when == "as it begins":
                left.close()

    monkeypatch.setattr(_poll_set, "NestedPoll", Closing)
    poll_set, sockets = take_poll_set([left, other], [], [])
    if when == "before the wait":
        left.close()
    with pytest.raises(OSError, match=r"closed|Bad file"):
        cooperative_select(poll_set, sockets, None, wait)
    # Each end that is closed gives back two descriptors.
    assert len(os.listdir("/proc/self/fd")) == before - 2
    for end in (right, other, its_end):
        end.close()


def test_a_socket_that_is_detached_leaves_the_wait_alone() -> None:
    left, right = create_socket_pair()
    numbers: list[int] = []

    def wait(nested: NestedPoll, timeout: float | None) -> None:
        if not numbers:
            numbers.append(left.detach())
            assert select.select([nested], [], [], 0.01)[0] == []
            right.send(b"x")
        assert select.select([nested], [], [], 10)[0] == [nested]

    poll_set, sockets = take_poll_set([left], [], [])
    assert cooperative_select(poll_set, sockets, None, wait) == ([left], [], [])
    os.close(numbers[0])
    right.close()


def test_c4_a_socket_is_closed_in_another_thread_as_the_wait_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left, right = create_socket_pair()
    before = len(os.listdir("/proc/self/fd"))
    new_eventfd = os.eventfd

    def eventfd(*args: int) -> int:
        nested.release()  # the thread that waits does this while `close` is in a system call
        return new_eventfd(*args)

    poll_set, sockets = take_poll_set([left], [], [])
    nested = poll_set.take_nested_poll(sockets)
    monkeypatch.setattr(os, "eventfd", eventfd)
    left.close()
    assert len(os.listdir("/proc/self/fd")) == before - 2
    right.close()


def test_c4_an_epoll_is_closed_after_its_watch_whoever_closes_it() -> None:
    class Watch:
        ends: ClassVar[list[Callable[[], object]]] = []

        def end(self, func: Callable[[], object]) -> None:
            self.ends.append(func)  # the loop's thread does that later

    left, right = create_socket_pair()
    poll_set, sockets = take_poll_set([left], [], [])
    nested = poll_set.take_nested_poll(sockets)
    nested.watch = Watch()
    number = nested.fileno()
    nested.release()
    left.close()  # by another thread, which finds that it is not in use
    nested.release()  # the task has not got further than this
    assert nested.fileno() == number
    (close,) = Watch.ends
    close()
    assert str(number) not in os.listdir("/proc/self/fd")
    right.close()
