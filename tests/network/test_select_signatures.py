from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from handler_core import get_handler


def test_the_short_form_of_a_handler(pair: tuple[socket.socket, socket.socket]) -> None:
    handler = get_handler("threading")
    left, right = pair
    assert handler.select([left], 0) == ([], [left], [])
    assert handler.select([left, right], timeout=0) == ([], [left, right], [])
    right.send(b"x")
    assert handler.select([left, right], None) == ([left], [left, right], [])
    assert handler.select(sockets=(each for each in pair), timeout=10) == (
        [left],
        [left, right],
        [],
    )
    begun = time.monotonic()
    assert handler.select([right], 0.03) == ([], [right], [])
    assert time.monotonic() - begun >= 0.03
    with pytest.raises(ValueError, match="timeout"):
        handler.select([left], -1)
    with pytest.raises(ValueError, match="timeout"):
        handler.select([left], float("nan"))


@pytest.mark.parametrize("args", [(), ([],), ([], []), ([], "1"), ([], [], [], 1, 1), ([], b"")])
def test_what_is_neither_form(args: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        get_handler("threading").select(*args)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"sockets": []},
        {"sockets": [], "rlist": [], "timeout": 1},
        {"sockets": [], "rlist": [], "wlist": [], "xlist": [], "timeout": 0},
        {"timeout": 1},
        {"rlist": [], "xlist": []},
        {"sockets": [], "xlist": [], "timeout": 1},
        {"wlist": [], "timeout": 1},
        {"nonsense": 1},
    ],
)
def test_keywords_that_are_neither_form(kwargs: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        get_handler("threading").select(**kwargs)


@pytest.mark.parametrize("wrong", ["", "x", b"", b"\x01", bytearray(b"\x01")])
def test_the_short_form_takes_no_string(wrong: Any) -> None:
    with pytest.raises(TypeError, match="expected a list of sockets"):
        get_handler("threading").select(wrong, 0)
