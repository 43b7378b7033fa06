from __future__ import annotations

import os
import select
from typing import Any

import pytest

from handler_core import create_socket_pair
from handler_core.network import NestedEpoll, cooperative_select, take_poll_set


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
