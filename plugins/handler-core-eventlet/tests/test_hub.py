"""The hub's timers, and its turns."""

from __future__ import annotations

import _socket
import weakref
from typing import Any

import eventlet
import pytest
from eventlet import hubs
from eventlet_process import (
    dispatch,
)
from handler_core_eventlet._doorbell import Doorbell

from handler_core.testing import LIMIT


def test_cancelled_timers_are_not_kept(handler: Any) -> None:
    hub = hubs.get_hub()
    for _ in range(1000):
        result = handler.async_result()
        handler.spawn(result.set)
        assert result.wait(LIMIT)
    assert len(hub.timers) + len(hub.next_timers) < 500


def test_a_timeout_longer_than_any_hub_sleeps(handler: Any) -> None:
    for timeout in (1e9, 1e300, float("inf")):
        result = handler.async_result()
        handler.spawn(result.set, 1)
        assert result.get(timeout=timeout) == 1


def test_a_callback_that_always_finds_another_lets_others_run(handler: Any) -> None:
    stop: list[bool] = []

    def again() -> None:
        if not stop:
            dispatch(handler, again)

    dispatch(handler, again)
    for _ in range(5):
        eventlet.sleep(0.001)
    stop.append(True)
    handler.stop()


def test_nobody_rings_a_doorbell_whose_sockets_close(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Doorbell | None] = []
    pair = _socket.socketpair

    class Socket:
        def __init__(self, plain: Any) -> None:
            self._plain = plain
            self.setblocking = plain.setblocking

        def close(self) -> None:
            seen.append(reference())
            self._plain.close()

    monkeypatch.setattr(_socket, "socketpair", lambda: [Socket(each) for each in pair()])
    bell = Doorbell()
    reference = weakref.ref(bell)
    del bell
    assert seen == [None, None]
