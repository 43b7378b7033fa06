"""Handlers that break C19."""

from __future__ import annotations

import socket
from typing import Any

import gevent
from handler_core_gevent import SequentialGeventHandler

import handler_core
from broken.base import Threads, found_by

# C19


@found_by("test_c19_both_ends_are_sockets_of_the_model")
class C19HoldsSome(Threads):
    """Makes a pair that holds only what the system's buffer holds."""

    def create_socket_pair(self) -> Any:
        pair = socket.socketpair()
        for end in pair:
            end.setblocking(False)
        return pair


@found_by("test_c19_both_ends_are_sockets_of_the_model")
class C19LosesSome(Threads):
    class _End(socket.socket):
        def send(self, data: Any, flags: int = 0) -> int:
            try:
                return super().send(data, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return len(data)

    def create_socket_pair(self) -> Any:
        return tuple(
            self._End(end.family, end.type, end.proto, fileno=end.detach())
            for end in socket.socketpair()
        )


@found_by("test_c19_both_ends_are_sockets_of_the_model")
class C19OfAnotherModel(SequentialGeventHandler):
    """Makes the standard library's sockets, though the model has its own."""

    def create_socket_pair(self) -> Any:
        return handler_core.create_socket_pair(socket)


def with_ends(*methods: dict[str, Any]) -> Any:
    """Return a ``create_socket_pair`` that replaces methods of its two ends by these."""

    def create_socket_pair(self: Any) -> Any:
        pair = super(Threads, self).create_socket_pair()
        for end, instead in zip(pair, methods, strict=True):
            end.__class__ = type("End", (type(end),), instead)
        return pair

    return create_socket_pair


def _plain_send(end: Any, data: Any, flags: int = 0) -> int:
    return socket.socket.send(end, data, socket.MSG_DONTWAIT)


def _plain_sendall(end: Any, data: Any, flags: int = 0) -> None:
    sent = 0
    while sent < len(data):
        sent += _plain_send(end, data[sent:])


def _short_send(end: Any, data: Any, flags: int = 0) -> int:
    return super(type(end), end).send(data[:65536])  # type: ignore[no-any-return]


def _send_unless_full(end: Any, data: Any, flags: int = 0) -> int:
    if end.gettimeout() == 0:
        return _plain_send(end, data)
    return super(type(end), end).send(data)  # type: ignore[no-any-return]


@found_by("test_c19_both_ends_are_sockets_of_the_model")
class C19HoldsSomeInOneDirection(Threads):
    create_socket_pair = with_ends({}, {"send": _plain_send})


@found_by("test_c19_a_million_bytes_at_once_before_anyone_reads")
class C19HoldsSomeOfSendall(Threads):
    create_socket_pair = with_ends(*[{"sendall": _plain_sendall}] * 2)


@found_by("test_c19_a_million_bytes_at_once_before_anyone_reads")
class C19SendsAreShort(Threads):
    create_socket_pair = with_ends(*[{"send": _short_send}] * 2)


@found_by("test_c19_thousands_of_bytes_before_anyone_reads")
class C19RaisesIfNotBlocking(Threads):
    create_socket_pair = with_ends(*[{"send": _send_unless_full}] * 2)


@found_by("test_c19_reading_into_a_buffer")
class C19ForgetsSomeIfReadIntoABuffer(Threads):
    create_socket_pair = with_ends(*[{"recv_into": socket.socket.recv_into}] * 2)


@found_by("test_c19_the_bytes_of_a_sender_that_closes_arrive")
class C19TellsTheKernelLater(SequentialGeventHandler):
    """Sends when the sender waits for something."""

    def create_socket_pair(self) -> Any:
        pair = super().create_socket_pair()
        for end in pair:
            end.__class__ = type("End", (type(end),), {"send": _send_later})
        return pair


def _send_later(end: Any, data: Any, flags: int = 0) -> int:
    gevent.spawn(super(type(end), end).send, data)
    return len(data)
