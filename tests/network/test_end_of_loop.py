"""The end of a loop, or of the process, loses nothing that ``send`` has taken."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from handler_core.testing import LIMIT

PROGRAM = Path(__file__).with_name("sends_and_ends.py")
ENDS = [
    ("asyncio", "loop"),
    ("asyncio", "process"),
    ("asyncio", "closed-loop"),
    ("asyncio", "left-loop"),
    ("asyncio", "private-loop"),
    ("trio", "loop"),
    ("trio", "process"),
    ("trio", "private-loop"),
]


class Sending(NamedTuple):
    """A program that has sent, and has ended."""

    sent: int
    other: socket.socket
    process: subprocess.Popen[str]


@contextmanager
def sending(model: str, end: str, leave: str, timeout: float) -> Iterator[Sending]:
    """Yield when the program has sent, and has ended in its way."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        server.bind(("127.0.0.1", 0))
        server.listen()
        command = [sys.executable, str(PROGRAM), model, str(server.getsockname()[1])]
        with subprocess.Popen(
            [*command, leave, end, str(timeout)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            server.settimeout(LIMIT)
            other, _ = server.accept()
            with other:
                assert process.stdout is not None
                sent = int(process.stdout.readline())
                assert process.stdout.readline() == "ended\n"
                yield Sending(sent, other, process)


def received(other: socket.socket) -> int:
    """Return how many bytes arrive until the end of the stream."""
    other.settimeout(LIMIT)
    count = 0
    while data := other.recv(100_000):
        count += len(data)
    return count


@pytest.mark.parametrize("leave", ["closed", "shut-down", "open"])
@pytest.mark.parametrize(("model", "end"), ENDS)
def test_all_that_send_has_taken_arrives(model: str, end: str, leave: str) -> None:
    with sending(model, end, leave, LIMIT) as (sent, other, process):
        if leave == "open" or end == "left-loop":  # then the end of the process is the end
            assert process.stdin is not None
            process.stdin.close()
        assert received(other) == sent
    assert process.returncode == 0


@pytest.mark.parametrize("leave", ["closed", "open"])
@pytest.mark.parametrize(("model", "end"), ENDS)
def test_what_is_lost_is_said(model: str, end: str, leave: str) -> None:
    with sending(model, end, leave, 0.05) as (sent, other, process):
        # The other end receives nothing until the program has given up, and has ended.
        _, said = process.communicate(timeout=LIMIT)
        lost = re.fullmatch(r"(\d+) bytes that a connection had taken are lost: .*\n", said)
        assert lost, said
        assert received(other) == sent - int(lost[1]) > 0
    assert process.returncode == 0
