"""Sockets, name look-up and select."""

from __future__ import annotations

import builtins
import errno
import gc
from typing import Any

import eventlet
import pytest
from eventlet.green import socket
from eventlet_process import (
    native_thread,
)
from handler_core_eventlet import SequentialEventletHandler

from handler_core.testing import LIMIT, open_descriptors


def test_a_look_up_does_not_stop_the_hub(handler: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = native_thread.allocate_lock()
    asked.acquire()

    def resolve(*question: Any) -> Any:
        if question[-1] == socket.AI_NUMERICHOST:
            raise socket.gaierror
        asked.acquire()
        raise OSError(f"no such host: {question[0]}")

    monkeypatch.setattr("_socket.getaddrinfo", resolve)

    def tick() -> None:
        for _ in range(50):
            eventlet.sleep(0.001)
        asked.release()

    handler.spawn(tick)
    with pytest.raises(OSError, match="no such host: name"):
        handler.create_connection(("name", 1), timeout=LIMIT)
    with pytest.raises(builtins.TimeoutError):
        handler.create_connection(("name", 1), timeout=0.05)
    asked.release()


def test_a_socket_that_another_task_closes_during_a_select(handler: Any) -> None:
    """It was open when the caller named it, so this is no ``ValueError``.

    Its words depend on whether ``select`` had parked by then.
    """
    first, second = handler.create_socket_pair()
    with second:
        handler.spawn(first.close)
        handler.current_hub().parked_at = 0.0  # so the select begins by letting the task run
        with pytest.raises(OSError, match=r"socket|descriptor") as caught:
            handler.select([first], [], [], LIMIT)
        assert caught.value.errno == errno.EBADF


def test_one_socket_is_read_written_and_selected_at_once(handler: Any) -> None:
    first, second = handler.create_socket_pair()
    with first, second:
        seen: list[Any] = []
        tasks = [
            handler.spawn(lambda: seen.append(second.recv(1))),
            handler.spawn(lambda: seen.append(handler.select([second], [], [], LIMIT)[0])),
            handler.spawn(lambda: seen.append(handler.select([second], [], [], LIMIT)[0])),
            handler.spawn(lambda: seen.append(second.send(b"out"))),
        ]
        eventlet.sleep(0.02)
        first.send(b"xy")
        for task in tasks:
            task.join(LIMIT)
        assert first.recv(3) == b"out"
        assert len(seen) == 4
        assert seen.count([second]) == 2
        assert b"x" in seen


def test_a_descriptor_that_was_closed_under_a_reader_can_be_used_again(handler: Any) -> None:
    """A hub does not notice a close. It takes the number's next owner for a second reader."""
    first, second = socket.socketpair()

    def read() -> None:
        with pytest.raises(EOFError):
            second.recv(1)

    reader = eventlet.spawn(read)
    eventlet.sleep(0)
    second.close()
    for _ in range(3):  # its number is the next one's: that of an epoll
        assert handler.select([first], [], [first], 0.01)[0] in ([], [first])
        one, two = handler.create_socket_pair()
        with one, two:
            handler.spawn(one.send, b"x")
            assert handler.select([two], [], [], LIMIT)[0] == [two]
    reader.wait()
    first.close()


def test_the_other_end_of_a_pair_sees_the_end() -> None:
    handler = SequentialEventletHandler()
    first, second = handler.create_socket_pair()
    before = open_descriptors()
    first.close()
    assert open_descriptors() == before - 2
    assert second.recv(1) == b""
    second.close()
    gc.collect()
