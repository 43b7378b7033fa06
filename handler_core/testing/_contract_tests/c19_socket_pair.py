"""C19: the socket pair."""

from __future__ import annotations

from typing import Any

import pytest

from handler_core import Handler
from handler_core.network import blocking_select
from handler_core.testing._suite import Suite

__all__ = ["SocketPairTests"]

# So many wake-up bytes a client may write before anyone reads.
FLOOD = 5000


class SocketPairTests(Suite):
    """C19: the socket pair."""

    def test_c19_both_ends_are_sockets_of_the_model(self, handler: Handler) -> None:
        """Bytes arrive in both directions and in order, and the end is seen."""
        first, second = handler.create_socket_pair()
        with first, second, handler.socket() as other:
            assert isinstance(first, type(other))
            assert isinstance(second, type(other))
            first.send(b"to second")
            second.send(b"to first")
            assert second.recv(100) == b"to second"
            assert first.recv(100) == b"to first"
            first.close()
            assert second.recv(1) == b""

    @pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "not blocking"])
    def test_c19_thousands_of_bytes_before_anyone_reads(
        self, handler: Handler, blocking: bool
    ) -> None:
        """One task sends them one by one. Send does not raise or block, and all arrive."""
        ends = handler.create_socket_pair()
        with ends[0], ends[1]:
            for sender, receiver in (ends, ends[::-1]):
                sender.setblocking(blocking)
                for number in range(FLOOD):
                    assert sender.send(b"%c" % (number % 256)) == 1
                received = b""
                while len(received) < FLOOD:
                    assert self.select(handler, [receiver], [], [])[0] == [receiver]
                    received += receiver.recv(1000)
                assert received == bytes(number % 256 for number in range(FLOOD))
                assert handler.select([receiver], [], [], 0) == ([], [], [])

    @pytest.mark.parametrize("how", ["send", "sendall"])
    def test_c19_a_million_bytes_at_once_before_anyone_reads(
        self, handler: Handler, how: str
    ) -> None:
        """Thousands of single bytes follow. All are accepted, and all arrive."""
        million = b"million." * 125_000
        first, second = handler.create_socket_pair()
        with first, second:
            if how == "send":
                assert first.send(million) == len(million)
            else:
                first.sendall(million)
            for _ in range(FLOOD):
                first.send(b".")
            received = bytearray()
            while len(received) < len(million) + FLOOD:
                assert self.select(handler, [second], [], [])[0] == [second]
                received += second.recv(100_000)
            assert received == million + b"." * FLOOD

    def test_c19_reading_into_a_buffer(self, handler: Handler) -> None:
        """Bytes that had no room in the socket arrive in this way too."""
        first, second = handler.create_socket_pair()
        with first, second:
            for number in range(FLOOD):
                first.send(b"%c" % (number % 256))
            received = b""
            buffer = bytearray(1000)
            while len(received) < FLOOD:
                assert self.select(handler, [second], [], [])[0] == [second]
                received += buffer[: second.recv_into(buffer)]
            assert received == bytes(number % 256 for number in range(FLOOD))

    def test_c19_the_bytes_of_a_sender_that_closes_arrive(self, handler: Handler) -> None:
        """All arrive, even those that had no room in the socket, and then the end."""
        first, second = handler.create_socket_pair()
        with second:
            with first:
                for number in range(FLOOD):
                    assert first.send(b"%c" % (number % 256)) == 1
            received = b""
            while True:
                assert self.select(handler, [second], [], [])[0] == [second]
                data = second.recv(1000)
                if not data:
                    break
                received += data
            assert received == bytes(number % 256 for number in range(FLOOD))

    def test_c19_a_byte_wakes_a_select(self, handler: Handler) -> None:
        """Another task sends it, or a thread of the operating system does."""
        first, second = handler.create_socket_pair()
        with first, second:
            for _ in range(50):
                task = handler.spawn(first.send, b"x")
                assert self.select(handler, [second], [], [])[0] == [second]
                assert second.recv(1) == b"x"
                self.ended(task)
                thread = self.os_thread(lambda: first.send(b"y"))
                assert self.select(handler, [second], [], [])[0] == [second]
                assert second.recv(1) == b"y"
                thread.result(handler)

    def test_c19_the_kernel_knows_of_a_byte_at_once(self, handler: Handler) -> None:
        """So every kind of select sees it, also before a task has run that waits for it too."""
        first, second = handler.create_socket_pair()
        with first, second:
            for _ in range(20):
                seen: list[Any] = []

                def wait(seen: list[Any] = seen) -> None:
                    seen.append(self.select(handler, [second], [], [])[0])

                def send(seen: list[Any] = seen) -> None:
                    first.send(b"x")
                    seen.append(blocking_select([second], [], [], 0)[0])

                task = handler.spawn(wait)
                handler.sleep_func(0.001)
                self.ended(handler.spawn(send), task)
                assert seen == [[second], [second]]
                assert second.recv(10) == b"x"
                assert blocking_select([second], [], [], 0) == ([], [], [])

    def test_c19_reading_and_writing_at_once(self, handler: Handler) -> None:
        """No wake-up is lost when a reader catches up with a writer."""
        first, second = handler.create_socket_pair()
        with first, second:

            def write() -> None:
                for _ in range(FLOOD):
                    first.send(b"x")

            thread = self.os_thread(write)
            task = handler.spawn(write)
            received = 0
            while received < 2 * FLOOD:
                assert self.select(handler, [second], [], [])[0] == [second]
                received += len(second.recv(100))
            thread.result(handler)
            self.ended(task)
            assert received == 2 * FLOOD
