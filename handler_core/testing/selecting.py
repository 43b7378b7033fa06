"""C17: select."""

from __future__ import annotations

import _socket
import contextlib
import io
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing.suite import LIMIT, LONG, Suite, open_descriptors

__all__ = ["SelectTests"]

MANY = 4000


class SelectTests(Suite):
    """C17 of the contract."""

    @pytest.fixture
    def pair(self) -> Iterator[tuple[socket.socket, socket.socket]]:
        """Yield two connected plain sockets."""
        first, second = socket.socketpair()
        with first, second:
            yield first, second

    def test_c17_nothing_is_ready(
        self, idle: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """Three empty lists, not before the timeout."""
        for timeout in (0, 0.05, *[0.0019] * 10):
            begun = time.monotonic()
            assert idle.select([pair[0]], [], [pair[0]], timeout) == ([], [], [])
            assert time.monotonic() - begun >= timeout, "select timed out early"
        assert idle.select([], [], [], 0.001) == ([], [], [])

    def test_c17_the_callers_own_objects_come_back(
        self, idle: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """Sockets, descriptors and whatever has a ``fileno``, in the order given, each time."""

        class Wrapped:
            def fileno(self) -> int:
                return pair[0].fileno()

        wrapped = Wrapped()
        pair[1].send(b"x")
        objects = [wrapped, pair[0], pair[0].fileno()]
        readable, writable, exceptional = idle.select(objects, [pair[1], pair[1]], [], None)
        assert [one is other for one, other in zip(readable, objects, strict=True)] == [True] * 3
        assert writable == [pair[1], pair[1]]
        assert exceptional == []

    def test_c17_readable_and_writable_is_in_both_lists(
        self, idle: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """Once in each."""
        pair[1].send(b"x")
        sockets = [pair[0]]
        assert self.select(idle, sockets, sockets, sockets) == (sockets, sockets, [])
        assert self.select(idle, [], sockets, []) == ([], sockets, [])

    def test_c17_out_of_band_data_is_exceptional(self, idle: Handler) -> None:
        """Reported in the third list."""
        theirs, ours = self.tcp_pair(idle)
        with theirs, ours:
            theirs.send(b"!", socket.MSG_OOB)
            readable, writable, exceptional = self.select(idle, [], [], [ours])
            assert (readable, writable) == ([], [])
            assert exceptional == [ours]
            assert self.select(idle, [], [ours], [ours]) == ([], [ours], [ours])

    def test_c17_out_of_band_data_is_exceptional_beside_other_data(self, idle: Handler) -> None:
        """What is to be read does not hide it."""
        theirs, ours = self.tcp_pair(idle)
        with theirs, ours:
            theirs.send(b"x")
            theirs.send(b"!", socket.MSG_OOB)
            assert self.select(idle, [], [], [ours]) == ([], [], [ours])
            assert self.select(idle, [ours], [], [ours]) == ([ours], [], [ours])

    def test_c17_out_of_band_data_ends_a_select(self, handler: Handler) -> None:
        """That has been waiting for nothing else."""
        theirs, ours = self.tcp_pair(handler)
        with theirs, ours:
            seen: list[Any] = []
            task = handler.spawn(lambda: seen.append(self.select(handler, [], [], [ours])))
            handler.sleep_func(0.01)
            assert seen == []
            theirs.send(b"!", socket.MSG_OOB)
            self.ended(task)
            assert seen == [([], [], [ours])]

    def test_c17_hang_up_is_ready(
        self, idle: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """A socket whose peer is gone is readable (its end) and writable (its error)."""
        pair[1].close()
        assert self.select(idle, [pair[0]], [pair[0]], []) == ([pair[0]], [pair[0]], [])
        assert self.select(idle, [], [pair[0]], []) == ([], [pair[0]], [])

    def test_c17_a_reset_is_ready(self, idle: Handler) -> None:
        """Readable and writable: either way there is the error to be had."""
        theirs, ours = self.tcp_pair(idle)
        with ours:
            # To close without lingering is to reset.
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            theirs.close()
            assert self.select(idle, [ours], [], []) == ([ours], [], [])
            assert self.select(idle, [ours], [ours], []) == ([ours], [ours], [])
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    def test_c17_a_failed_connection_is_ready(self, idle: Handler) -> None:
        """Its error is there to be read."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
        with socket.socket() as refused:
            refused.setblocking(False)
            refused.connect_ex(address)
            assert self.select(idle, [], [refused], []) == ([], [refused], [])
            assert refused.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    @pytest.mark.parametrize("wrong", ["a string", b"bytes", 1.5, None, [object()], ["x"], [None]])
    def test_c17_what_is_no_socket_is_refused(self, idle: Handler, wrong: Any) -> None:
        """As ``select.select`` does: with a ``TypeError``."""
        empty: list[Any] = []
        for lists in ((wrong, empty, empty), (empty, wrong, empty), (empty, empty, wrong)):
            with pytest.raises(TypeError):
                idle.select(*lists, 0)

    def test_c17_wrong_descriptors_and_timeouts_are_refused(
        self, idle: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """``ValueError`` for what is negative, ``OSError`` for what is not open."""
        for timeout in (-1, -0.001, float("nan")):
            with pytest.raises(ValueError):  # noqa: PT011 - the words are the model's
                idle.select([pair[0]], [], [], timeout)
        with pytest.raises(TypeError):
            idle.select([pair[0]], [], [], "1")
        number = pair[1].fileno()
        pair[1].close()
        empty: list[Any] = []
        for wrong, kind in ((-1, ValueError), (pair[1], ValueError), (number, OSError)):
            one = [wrong]
            for lists in ((one, empty, empty), (empty, one, empty), (empty, empty, one)):
                with pytest.raises(kind):
                    idle.select(*lists, 0)
        assert self.select(idle, [pair[0]], [], []) == ([pair[0]], [], [])

    def test_c17_the_short_form(
        self, idle: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """It waits for what is readable, and tells what is writable at that moment."""
        sockets = list(pair)
        begun = time.monotonic()
        assert idle.select(sockets, 0.01)[0] == []
        assert time.monotonic() - begun >= 0.01, "select did not wait, for all were writable"
        pair[1].send(b"x")
        assert idle.select(sockets, None) == ([pair[0]], sockets, [])
        assert idle.select(sockets, timeout=LIMIT) == ([pair[0]], sockets, [])
        with pytest.raises(TypeError):
            idle.select(sockets, [])
        with pytest.raises(TypeError):
            idle.select()

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
        """A client under load does nothing else for minutes."""
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
        """By the processor's time, which does not pass while other programs run."""
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
        """As it may with ``select.select``, whether it has to wait or not."""
        thread = self.os_thread(handler.select, [pair[0]], [], [], LONG)
        handler.sleep_func(0.01)
        pair[1].send(b"x")
        assert thread.result(handler) == ([pair[0]], [], [])
        thread = self.os_thread(handler.select, pair, pair, [], 0)
        assert thread.result(handler) == ([pair[0]], list(pair), [])

    def test_c17_a_signal_does_not_end_it(
        self, idle: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """It goes on for the rest of its timeout, or until something is ready."""
        # By number: to eventlet each greenlet is a thread.
        if threading.get_native_id() != threading.main_thread().native_id:
            pytest.skip("this thread gets no signals")
        # No library patches these: a thread that reads from them stands still.
        waiting, silent = _socket.socketpair()
        waiting.settimeout(0.02)

        def signal_soon() -> None:
            with contextlib.suppress(TimeoutError):
                waiting.recv(1)
            os.kill(os.getpid(), signal.SIGUSR1)

        seen: list[int] = []
        before = signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))
        try:
            begun = time.monotonic()
            thread = self.os_thread(signal_soon)
            assert idle.select([pair[0]], [], [], 0.1) == ([], [], [])
            assert time.monotonic() - begun >= 0.1, "a signal has ended it"
            thread.result(idle)
            self.until(idle, lambda: len(seen) == 1)
        finally:
            signal.signal(signal.SIGUSR1, before)
            waiting.close()
            silent.close()

    def test_c17_several_tasks_wait_on_one_descriptor(
        self, handler: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """All of them hear of it, readers and writers."""
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
        """Two tasks wait on two sockets, and each hears of its own."""
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

    def test_c17_any_number_of_descriptors(self, idle: Handler) -> None:
        """Thousands, most of them beyond the 1,024th, one of them ready, or all."""
        resource = pytest.importorskip("resource", reason="this platform has no such limit")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = MANY + 200
        if hard != resource.RLIM_INFINITY and hard < needed:
            pytest.skip(f"this system admits no more than {hard} descriptors")
        if soft < needed:
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        pairs = [socket.socketpair() for _ in range(MANY // 2)]
        try:
            sockets = [end for pair in pairs for end in pair]
            assert max(end.fileno() for end in sockets) > 1024
            assert idle.select(sockets, [], [], 0) == ([], [], [])
            pairs[-1][0].send(b"x")
            assert self.select(idle, sockets, [], sockets) == ([pairs[-1][1]], [], [])
            assert self.select(idle, [], sockets, []) == ([], sockets, [])
        finally:
            for pair in pairs:
                for end in pair:
                    end.close()

    @pytest.mark.parametrize("kind", ["plain", "pair", "connection"])
    def test_c17_a_descriptor_that_stood_for_another_socket(
        self, handler: Handler, kind: str
    ) -> None:
        """What was watched under a number before does not matter once that is closed."""
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
                handler.sleep_func(0.002)  # most of the time, it waits by now
                second.send(data)
                self.ended(task)
                assert seen.pop() == ([first], [], [])
                assert first.recv(10) == data
            first.close()
            second.close()
            del first, second, task
        assert len(set(numbers)) < len(numbers), "no number was used again"
        # What a loop in another thread watches, that thread closes. One may be kept for good, for
        # something that is made once.
        self.until(handler, lambda: open_descriptors() <= before + 1)

    def test_c17_a_pipe(self, idle: Handler) -> None:
        """Any descriptor will do."""
        read, write = os.pipe()
        try:
            assert self.select(idle, [read], [write], []) == ([], [write], [])
            os.write(write, b"x")
            assert self.select(idle, [read], [], []) == ([read], [], [])
        finally:
            os.close(read)
            os.close(write)

    def test_c17_a_regular_file_is_ready(self, idle: Handler, tmp_path: Path) -> None:
        """Always, to be read and to be written."""
        with io.FileIO(tmp_path / "file", "w") as file:
            assert idle.select([file], [file], [], 0) == ([file], [file], [])
            assert self.select(idle, [file], [], []) == ([file], [], [])

    @pytest.fixture
    def pipe(self) -> Iterator[tuple[io.FileIO, io.FileIO]]:
        """Yield the two ends of a pipe, which close when they are told to.

        ``os.close`` closes in gevent's next turn, where gevent has patched it.
        """
        read, write = os.pipe()
        with io.FileIO(read) as reader, io.FileIO(write, "w") as writer:
            yield reader, writer

    def test_c17_a_pipe_whose_writer_is_gone_is_ready(
        self, idle: Handler, pipe: tuple[io.FileIO, io.FileIO]
    ) -> None:
        """Readable, although there is nothing to be read but the end."""
        reader, writer = pipe
        writer.close()
        assert idle.select([reader], [], [], 0) == ([reader], [], [])
        # Nobody else would hear of it.
        assert idle.select([], [], [reader], 0) == ([], [], [reader])

    def test_c17_a_pipe_whose_reader_is_gone_is_ready(
        self, idle: Handler, pipe: tuple[io.FileIO, io.FileIO]
    ) -> None:
        """Readable and writable: either way there is the error to be had."""
        reader, writer = pipe
        reader.close()
        assert idle.select([writer], [], [], 0) == ([writer], [], [])
        assert idle.select([], [writer], [], 0) == ([], [writer], [])
        assert idle.select([writer], [writer], [], 0) == ([writer], [writer], [])
        assert idle.select([], [], [writer], 0) == ([], [], [writer])

    @pytest.mark.parametrize("reading", [True, False], ids=["reading", "exceptional"])
    def test_c17_a_hang_up_ends_a_select(
        self, handler: Handler, pipe: tuple[io.FileIO, io.FileIO], reading: bool
    ) -> None:
        """That has been waiting, for something to read or for nothing else."""
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
