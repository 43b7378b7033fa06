"""C17: select while it waits."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._contract_tests.select_helpers import SelectSuite
from handler_core.testing._open_descriptors import open_descriptors
from handler_core.testing._time_limits import LIMIT, LONG

__all__ = ["SelectWhileWaitingTests"]


# Sends a signal to its parent every 10 ms. Nothing happens where it is not handled.
SENDS_SIGNALS = """
import os, signal, sys, time
while os.getppid() == int(sys.argv[1]):
    os.kill(os.getppid(), signal.SIGURG)
    time.sleep(0.01)
"""


class SelectWhileWaitingTests(SelectSuite):
    """C17: what happens while select waits."""

    def test_c17_out_of_band_data_ends_a_select(self, handler: Handler) -> None:
        """It ends a select that waits for nothing else."""
        theirs, ours = self.tcp_pair(handler)
        with theirs, ours:
            seen: list[Any] = []
            task = handler.spawn(lambda: seen.append(self.select(handler, [], [], [ours])))
            handler.sleep_func(0.01)
            assert seen == []
            theirs.send(b"!", socket.MSG_OOB)
            self.ended(task)
            assert seen == [([], [], [ours])]

    @pytest.mark.parametrize("timeout", [0.02, 0.2, None])
    def test_c17_other_tasks_go_on_while_it_waits(
        self,
        handler: Handler,
        pair: tuple[socket.socket, socket.socket],
        timeout: float | None,
    ) -> None:
        """One of them makes the socket ready, unless the machine is busy for once."""

        def send() -> None:
            handler.sleep_func(0.005)
            pair[1].send(b"x")

        for _ in range(20):
            task = handler.spawn(send)
            ready = handler.select([pair[0]], [], [], timeout)
            self.ended(task)
            if any(ready):
                break
            pair[0].recv(1)
        assert ready == ([pair[0]], [], []), "other tasks stand still while select waits"

    @pytest.mark.parametrize("timeout", [LONG, 0])
    def test_c17_a_loop_around_a_ready_socket_lets_other_tasks_run(
        self, handler: Handler, pair: tuple[socket.socket, socket.socket], timeout: float
    ) -> None:
        """A client under load runs nothing else for minutes."""
        pair[1].send(b"x")
        ticks: list[int] = []

        def tick() -> None:
            for number in range(10):
                handler.sleep_func(0.001)
                ticks.append(number)

        task = handler.spawn(tick)
        deadline = time.monotonic() + LIMIT
        while task.is_alive():
            assert handler.select([pair[0]], [], [], timeout)[0] == [pair[0]]
            assert time.monotonic() < deadline, "a loop around select starves other tasks"
        assert len(ticks) == 10

    @pytest.mark.parametrize("timeout", [LIMIT, 0])
    def test_c17_other_tasks_wait_for_a_loop_around_select_for_milliseconds_only(
        self, handler: Handler, pair: tuple[socket.socket, socket.socket], timeout: float
    ) -> None:
        """The processor's time counts. It does not pass while other programs run."""
        pair[1].send(b"x")

        def tick() -> None:
            for _ in range(100):
                handler.sleep_func(0.001)

        begun = time.process_time()
        task = handler.spawn(tick)
        while task.is_alive():
            handler.select([pair[0]], [], [], timeout)
            assert time.process_time() - begun < 3, "a loop around select holds up other tasks"

    def test_c17_a_thread_of_the_operating_system_may_select(
        self, handler: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """It may do so as with ``select.select``, whether it must wait or not."""
        thread = self.os_thread(handler.select, [pair[0]], [], [], LONG)
        handler.sleep_func(0.01)
        pair[1].send(b"x")
        assert thread.result(handler) == ([pair[0]], [], [])
        thread = self.os_thread(handler.select, pair, pair, [], 0)
        assert thread.result(handler) == ([pair[0]], list(pair), [])

    def test_c17_a_signal_does_not_end_it(
        self, idle: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """Select goes on for the rest of its timeout, or until something is ready."""
        # Compare numbers, because eventlet takes each greenlet for a thread.
        if threading.get_native_id() != threading.main_thread().native_id:
            pytest.skip("this thread gets no signals")

        seen: list[float] = []
        before = signal.signal(signal.SIGURG, lambda _, __: seen.append(time.monotonic()))
        command = [sys.executable, "-I", "-S", "-c", SENDS_SIGNALS, str(os.getpid())]
        try:
            with subprocess.Popen(command) as sender:  # noqa: S603  a program of the suite
                try:
                    self.until(idle, lambda: bool(seen))
                    for timeout in (0.1, 1.0, 10.0):
                        begun = time.monotonic()
                        assert idle.select([pair[0]], [], [], timeout) == ([], [], [])
                        assert time.monotonic() - begun >= timeout, "a signal has ended it"
                        # On a busy machine, signals may come only before it waits, or after.
                        if any(0.25 < (when - begun) / timeout < 0.75 for when in seen):
                            return
                finally:
                    sender.kill()
            pytest.fail("no signal came while it waited")
        finally:
            signal.raise_signal(signal.SIGURG)  # after this one no other is on its way
            signal.signal(signal.SIGURG, before)

    def test_c17_several_tasks_wait_on_one_descriptor(
        self, handler: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """All of them are woken, readers and writers."""
        seen: list[tuple[list[Any], list[Any], list[Any]]] = []

        def wait(*lists: Any) -> None:
            seen.append(self.select(handler, *lists))

        read: tuple[list[Any], list[Any], list[Any]] = ([pair[0]], [], [])
        tasks = [handler.spawn(wait, *read) for _ in range(4)]
        handler.sleep_func(0.01)
        assert seen == []
        tasks.append(handler.spawn(wait, [], [pair[0]], []))
        self.until(handler, lambda: len(seen) == 1)
        assert seen == [([], [pair[0]], [])]
        pair[1].send(b"x")
        self.ended(*tasks)
        assert seen[1:] == [read] * 4

    def test_c17_a_signal_from_another_select_does_not_disturb(
        self, handler: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """Two tasks wait on two sockets, and each is woken by its own."""
        other = socket.socketpair()
        with other[0], other[1]:
            seen: list[Any] = []
            task = handler.spawn(lambda: seen.append(self.select(handler, [other[0]], [], [])[0]))
            pair[1].send(b"x")
            assert self.select(handler, [pair[0]], [], [])[0] == [pair[0]]
            handler.sleep_func(0.01)
            assert seen == []
            other[1].send(b"x")
            self.ended(task)
            assert seen == [[other[0]]]

    @pytest.mark.parametrize("kind", ["plain", "pair", "connection"])
    def test_c17_a_descriptor_that_stood_for_another_socket(
        self, handler: Handler, kind: str
    ) -> None:
        """Once a socket is closed, it does not matter that its number was watched before."""
        make: Callable[[], tuple[Any, Any]] = {
            "plain": socket.socketpair,
            "pair": handler.create_socket_pair,
            "connection": lambda: self.tcp_pair(handler)[::-1],
        }[kind]
        numbers: list[int] = []
        before = open_descriptors()
        for _ in range(10):
            first, second = make()
            numbers.append(first.fileno())
            seen: list[Any] = []
            for data in (b"1", b"2"):
                task = handler.spawn(
                    lambda seen=seen, first=first: seen.append(
                        self.select(handler, [first], [], [])
                    )
                )
                handler.sleep_func(0.002)  # time for it to park, most of the time
                second.send(data)
                self.ended(task)
                assert seen.pop() == ([first], [], [])
                assert first.recv(10) == data
            first.close()
            second.close()
            del first, second, task
        assert len(set(numbers)) < len(numbers), "no number was used again"
        # If a loop in another thread watches a descriptor, that thread closes it later. One
        # descriptor may stay open for something that a model makes once.
        self.until(handler, lambda: open_descriptors() <= before + 1)

    @pytest.mark.parametrize("reading", [True, False], ids=["reading", "exceptional"])
    def test_c17_a_hang_up_ends_a_select(
        self, handler: Handler, pipe: tuple[io.FileIO, io.FileIO], reading: bool
    ) -> None:
        """It ends a select for reading, and one for exceptional conditions only."""
        reader, writer = pipe
        lists: tuple[list[Any], list[Any], list[Any]] = (
            ([reader], [], []) if reading else ([], [], [reader])
        )
        seen: list[Any] = []
        task = handler.spawn(lambda: seen.append(self.select(handler, *lists)))
        handler.sleep_func(0.01)
        assert seen == []
        writer.close()
        self.ended(task)
        assert seen == [lists]
