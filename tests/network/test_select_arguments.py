from __future__ import annotations

import fcntl
import os
import select
import socket
import tempfile
from collections.abc import Callable
from typing import Any

import pytest

from handler_core import fileobj_to_fd, poll_select

# select.


def unopened() -> int:
    """Return a descriptor that is not open, and that the next open file will not get."""
    fd = fcntl.fcntl(0, fcntl.F_DUPFD, 900)
    os.close(fd)
    return fd


def test_a_closed_socket(selecting: Callable[..., Any]) -> None:
    with socket.socket() as closed:
        pass
    for lists in (([closed], [], []), ([], [closed], []), ([], [], [closed])):
        with pytest.raises(ValueError, match="negative descriptor"):
            selecting(*lists, 0)


@pytest.mark.parametrize("bad", ["x", b"x", None, 1.0, object(), [[3]], [None], ["3"], [1.5]])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_what_is_no_list_of_sockets(
    selecting: Callable[..., Any], bad: object, position: int
) -> None:
    lists: list[Any] = [[], [], []]
    lists[position] = bad
    with pytest.raises(TypeError):
        selecting(*lists, 0)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_negative_descriptor(selecting: Callable[..., Any], position: int) -> None:
    lists: list[Any] = [[], [], []]
    lists[position] = [-1]
    with pytest.raises(ValueError, match="negative"):
        selecting(*lists, 0)


@pytest.mark.parametrize("position", [0, 1])
def test_a_descriptor_that_is_not_open(selecting: Callable[..., Any], position: int) -> None:
    fd = unopened()
    lists: list[Any] = [[], [], []]
    lists[position] = [fd]
    with pytest.raises(OSError, match="Bad file descriptor"):
        selecting(*lists, 0)


def test_a_descriptor_for_exceptions_that_is_not_open() -> None:
    fd = unopened()
    with pytest.raises(OSError, match="Bad file descriptor"):
        poll_select([], [], [fd], 0)


@pytest.mark.parametrize("timeout", [-1, -0.0001, float("-inf"), float("nan")])
def test_a_timeout_that_is_negative_or_no_number(
    selecting: Callable[..., Any], timeout: float
) -> None:
    with pytest.raises(ValueError, match="timeout"):
        selecting([], [], [], timeout)


@pytest.mark.parametrize("timeout", ["1", b"1", "", [], object(), 1j])
def test_a_timeout_of_another_type(selecting: Callable[..., Any], timeout: object) -> None:
    with pytest.raises(TypeError):
        select.select([], [], [], timeout)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="timeout"):
        selecting([], [], [], timeout)


# fileobj_to_fd.


def test_fileobj_to_fd(pair: tuple[socket.socket, socket.socket]) -> None:
    class File:
        def fileno(self) -> int:
            return 7

    assert fileobj_to_fd(pair[0]) == pair[0].fileno()
    assert fileobj_to_fd(File()) == 7
    assert fileobj_to_fd(0) == 0
    assert fileobj_to_fd(12345) == 12345
    assert type(fileobj_to_fd(True)) is int


class _BadFile:
    def __init__(self, fd: object) -> None:
        self.fd = fd

    def fileno(self) -> Any:
        return self.fd


@pytest.mark.parametrize(
    "bad",
    ["x", b"", None, 1.0, [], [3], (), object(), _BadFile("3"), _BadFile(None), _BadFile(2.0)],
)
def test_what_is_no_file(bad: Any) -> None:
    with pytest.raises(TypeError):
        fileobj_to_fd(bad)


def test_an_attribute_fileno_that_cannot_be_called() -> None:
    class File:
        fileno = 3

    with pytest.raises(TypeError):
        fileobj_to_fd(File())  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [-1, -(2**40), _BadFile(-1)])
def test_negative_descriptors(bad: Any) -> None:
    with pytest.raises(ValueError, match="negative"):
        fileobj_to_fd(bad)


def test_a_closed_file() -> None:
    with tempfile.TemporaryFile() as file:
        pass
    with pytest.raises(ValueError, match="closed"):
        fileobj_to_fd(file)
    with socket.socket() as sock:
        pass
    with pytest.raises(ValueError, match="closed"):
        fileobj_to_fd(sock)
