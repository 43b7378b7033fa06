from __future__ import annotations

import selectors
import socket

import pytest

from handler_core import selector_select


def test_a_selector_of_the_callers(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    with selectors.DefaultSelector() as selector:
        key = selector.register(left, selectors.EVENT_READ, "data")
        assert selector_select(selector, 0) == []
        right.send(b"x")
        assert selector_select(selector, 10) == [(key, selectors.EVENT_READ)]
        assert selector_select(selector=selector, timeout=None) == [(key, selectors.EVENT_READ)]
        assert selector_select(selector) == [(key, selectors.EVENT_READ)]
        with pytest.raises(ValueError, match="timeout"):
            selector_select(selector, -1)
        with pytest.raises(TypeError, match="timeout"):
            selector_select(selector, "1")
        with pytest.raises(TypeError):
            selector_select(selector, 0, 0)
    with pytest.raises((ValueError, RuntimeError)):
        selector_select(selector, 0)


def test_another_selectors_module(pair: tuple[socket.socket, socket.socket]) -> None:
    used = []

    class Selectors:
        EVENT_READ = selectors.EVENT_READ
        EVENT_WRITE = selectors.EVENT_WRITE

        class DefaultSelector(selectors.PollSelector):
            def __init__(self) -> None:
                super().__init__()
                used.append(self)

    left, _ = pair
    assert selector_select([left], [left], [], 0, Selectors) == ([], [left], [])
    assert selector_select(
        rlist=[left], wlist=[left], xlist=[], timeout=0, selectors_module=Selectors
    ) == ([], [left], [])
    assert len(used) == 2
