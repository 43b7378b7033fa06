"""Handlers that break C5, by what their socket pairs are in a forked child."""

from __future__ import annotations

import os
import socket
from typing import Any
from unittest import mock

from handler_core_gevent import SequentialGeventHandler

from broken.base import Threads, found_by
from handler_core.network._short_calls import NativeSocket
from handler_core.network._socket_mixin import mixin_of
from handler_core.network._socket_pair import _Pair


def with_pair(kind: type[_Pair]) -> Any:
    """Return a ``create_socket_pair`` whose pairs do at fork what this class says."""

    def create_socket_pair(self: Any) -> Any:
        ends = super(type(self), self).create_socket_pair()
        mixin_of(ends[0])._pair.__class__ = kind
        return ends

    return create_socket_pair


class _BrokenPair(_Pair):
    def ends(self) -> list[Any]:
        """Return the ends that are still open."""
        ends = [ref() for ref in self._ends]
        return [end for end in ends if end is not None and end.fileno() >= 0]


@found_by("test_c5_a_socket_pair_is_empty_in_the_child")
class C5ChildSharesThePair(Threads):
    class _Pair(_BrokenPair):
        def renew(self) -> None:
            pass

    create_socket_pair = with_pair(_Pair)


@found_by("test_c5_a_socket_pair_is_empty_in_the_child")
class C5ChildHasTheBytesOfThePair(Threads):
    class _Pair(_BrokenPair):
        def renew(self) -> None:
            queues = [list(end._outgoing._queue) for end in self.ends()]
            super().renew()
            for end, queue in zip(self.ends(), queues, strict=True):
                end._outgoing._queue.extend(queue)

    create_socket_pair = with_pair(_Pair)


@found_by("test_c5_a_socket_pair_is_empty_in_the_child")
class C5ChildSendsToTheParent(Threads):
    """Renews what the ends receive from, and not what they send to."""

    class _Pair(_BrokenPair):
        def renew(self) -> None:
            descriptors = [os.dup(end.fileno()) for end in self.ends()]
            super().renew()
            for end, descriptor in zip(self.ends(), descriptors, strict=True):
                end._outgoing.renew(NativeSocket(fileno=descriptor))

    create_socket_pair = with_pair(_Pair)


@found_by("test_c5_a_pair_of_which_one_end_is_closed")
class C5ChildOpensAnEndAgain(Threads):
    """Renews both ends, though one was closed. Its sender stays open."""

    others: list[Any] = []  # noqa: RUF012

    class _Pair(_BrokenPair):
        def renew(self) -> None:
            super().renew()
            ends = self.ends()
            if len(ends) == 1:
                ours, other = socket.socketpair()
                os.dup2(ours.fileno(), ends[0].fileno())
                ends[0]._outgoing.renew(NativeSocket(fileno=ours.detach()))
                C5ChildOpensAnEndAgain.others.append(other)

    create_socket_pair = with_pair(_Pair)


@found_by("test_c5_a_pair_keeps_its_mode_and_what_a_select_knows_of_it")
class C5ChildsPairIsBlocking(Threads):
    class _Pair(_BrokenPair):
        def renew(self) -> None:
            super().renew()
            for end in self.ends():
                os.set_blocking(end.fileno(), True)

    create_socket_pair = with_pair(_Pair)


@found_by("test_c5_a_pair_keeps_its_mode_and_what_a_select_knows_of_it")
class C5ChildsPairIsInherited(Threads):
    """Has ``exec`` keep the child's ends open, as ``dup2`` does by itself."""

    class _Pair(_BrokenPair):
        def renew(self) -> None:
            super().renew()
            for end in self.ends():
                os.set_inheritable(end.fileno(), True)

    create_socket_pair = with_pair(_Pair)


@found_by("test_c5_a_pair_keeps_its_mode_and_what_a_select_knows_of_it")
class C5ChildSelectsOnTheParentsPair(SequentialGeventHandler):
    """Leaves the parent's pair in the ``epoll`` of an earlier ``select``."""

    class _Pair(_BrokenPair):
        def renew(self) -> None:
            kept = [(end, end._dependents) for end in self.ends()]
            for end, _ in kept:
                end._dependents = None
            super().renew()
            for end, dependents in kept:
                end._dependents = dependents

    create_socket_pair = with_pair(_Pair)


@found_by("test_c5_a_pair_of_which_one_end_is_closed")
class C5ChildReplacesOtherFiles(Threads):
    """Renews a pair by its numbers, though they may be another file's by then."""

    class _Pair(_BrokenPair):
        def renew(self) -> None:
            self._files = [mock.ANY, mock.ANY]
            super().renew()

    create_socket_pair = with_pair(_Pair)
