"""C17: what select returns and refuses."""

from __future__ import annotations

import io
import os
import socket
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._contract_tests.select_helpers import SelectSuite
from handler_core.testing._time_limits import LIMIT

__all__ = ["SelectTests"]

MANY = 4000


class SelectTests(SelectSuite):
    """C17: what select returns and refuses."""

    def test_c17_nothing_is_ready(
        self, idle: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """Select returns three empty lists, and not before the timeout."""
        for timeout in (0, 0.05, *[0.0019] * 10):
            begun = time.monotonic()
            assert idle.select([pair[0]], [], [pair[0]], timeout) == ([], [], [])
            assert time.monotonic() - begun >= timeout, "select timed out early"
        assert idle.select([], [], [], 0.001) == ([], [], [])

    def test_c17_the_callers_own_objects_come_back(
        self, idle: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """Sockets, numbers and objects with a ``fileno`` do so, in their order, each time."""

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
        """It is once in each list."""
        pair[1].send(b"x")
        sockets = [pair[0]]
        assert self.select(idle, sockets, sockets, sockets) == (sockets, sockets, [])
        assert self.select(idle, [], sockets, []) == ([], sockets, [])

    def test_c17_out_of_band_data_is_exceptional(self, idle: Handler) -> None:
        """It is reported in the third list."""
        theirs, ours = self.tcp_pair(idle)
        with theirs, ours:
            theirs.send(b"!", socket.MSG_OOB)
            readable, writable, exceptional = self.select(idle, [], [], [ours])
            assert (readable, writable) == ([], [])
            assert exceptional == [ours]
            assert self.select(idle, [], [ours], [ours]) == ([], [ours], [ours])

    def test_c17_out_of_band_data_is_exceptional_beside_other_data(self, idle: Handler) -> None:
        """Other data to read does not hide it."""
        theirs, ours = self.tcp_pair(idle)
        with theirs, ours:
            theirs.send(b"x")
            theirs.send(b"!", socket.MSG_OOB)
            assert self.select(idle, [], [], [ours]) == ([], [], [ours])
            assert self.select(idle, [ours], [], [ours]) == ([ours], [], [ours])

    def test_c17_hang_up_is_ready(
        self, idle: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """A socket whose peer is gone is readable (its end) and writable (its error)."""
        pair[1].close()
        assert self.select(idle, [pair[0]], [pair[0]], []) == ([pair[0]], [pair[0]], [])
        assert self.select(idle, [], [pair[0]], []) == ([], [pair[0]], [])

    def test_c17_a_reset_is_ready(self, idle: Handler) -> None:
        """The socket is readable and writable, and both ways lead to the error."""
        theirs, ours = self.tcp_pair(idle)
        with ours:
            # A close that does not linger resets the connection.
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            theirs.close()
            assert self.select(idle, [ours], [], []) == ([ours], [], [])
            assert self.select(idle, [ours], [ours], []) == ([ours], [ours], [])
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    def test_c17_a_failed_connection_is_ready(self, idle: Handler) -> None:
        """The socket is writable, and has the error."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
        with socket.socket() as refused:
            refused.setblocking(False)
            refused.connect_ex(address)
            assert self.select(idle, [], [refused], []) == ([], [refused], [])
            assert refused.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    @pytest.mark.parametrize("wrong", ["a string", b"bytes", 1.5, None, [object()], ["x"], [None]])
    def test_c17_what_is_no_socket_is_refused(self, idle: Handler, wrong: Any) -> None:
        """It raises a ``TypeError``, as ``select.select`` does."""
        empty: list[Any] = []
        for lists in ((wrong, empty, empty), (empty, wrong, empty), (empty, empty, wrong)):
            with pytest.raises(TypeError):
                idle.select(*lists, 0)

    def test_c17_wrong_descriptors_and_timeouts_are_refused(
        self, idle: Handler, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        """A negative one raises a ``ValueError``, a closed one an ``OSError``."""
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
        """It waits until a socket is readable. It also returns which are writable then."""
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

    def test_c17_any_number_of_descriptors(self, idle: Handler) -> None:
        """There are thousands, most of them above 1,024. One of them is ready, or all are."""
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

    def test_c17_a_pipe(self, idle: Handler) -> None:
        """Select takes any kind of descriptor."""
        read, write = os.pipe()
        try:
            assert self.select(idle, [read], [write], []) == ([], [write], [])
            os.write(write, b"x")
            assert self.select(idle, [read], [], []) == ([read], [], [])
        finally:
            os.close(read)
            os.close(write)

    def test_c17_a_regular_file_is_ready(self, idle: Handler, tmp_path: Path) -> None:
        """It is always readable and writable."""
        with io.FileIO(tmp_path / "file", "w") as file:
            assert idle.select([file], [file], [], 0) == ([file], [file], [])
            assert self.select(idle, [file], [], []) == ([file], [], [])

    def test_c17_a_pipe_whose_writer_is_gone_is_ready(
        self, idle: Handler, pipe: tuple[io.FileIO, io.FileIO]
    ) -> None:
        """It is readable, although only the end is left to read."""
        reader, writer = pipe
        writer.close()
        assert idle.select([reader], [], [], 0) == ([reader], [], [])
        # select must report the hang-up even if it is asked for exceptional conditions only.
        assert idle.select([], [], [reader], 0) == ([], [], [reader])

    def test_c17_a_pipe_whose_reader_is_gone_is_ready(
        self, idle: Handler, pipe: tuple[io.FileIO, io.FileIO]
    ) -> None:
        """It is readable and writable, and both ways lead to the error."""
        reader, writer = pipe
        reader.close()
        assert idle.select([writer], [], [], 0) == ([writer], [], [])
        assert idle.select([], [writer], [], 0) == ([], [writer], [])
        assert idle.select([writer], [writer], [], 0) == ([writer], [writer], [])
        assert idle.select([], [], [writer], 0) == ([], [], [writer])
