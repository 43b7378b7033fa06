"""Host names are looked up by gevent's resolver."""

from __future__ import annotations

from typing import Any

import gevent
import gevent.event
import pytest
from gevent_process import OwnTests, native_sleep

from handler_core import Handler
from handler_core.testing import LIMIT, running_server


class TestNameLookUp(OwnTests):
    def test_other_greenlets_run_meanwhile(
        self, handler: Handler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The resolver answers only after they have. It runs in gevent's thread pool."""
        ticks: list[int] = []
        hub = gevent.get_hub()

        class Resolver:
            def getaddrinfo(self, *args: Any) -> Any:
                return hub.threadpool.apply(self.answer)

            def answer(self) -> Any:
                while len(ticks) < 20:
                    native_sleep(0.001)
                return [(2, 1, 6, "", server.address)]

        def tick() -> None:
            for number in range(20):
                gevent.sleep(0.001)
                ticks.append(number)

        monkeypatch.setattr(hub, "_resolver", Resolver())
        gevent.spawn(tick)
        with (
            running_server() as server,
            handler.create_connection(("name.invalid", 1), timeout=LIMIT) as connection,
        ):
            assert connection.getpeername() == server.address
        assert len(ticks) == 20

    def test_a_look_up_without_an_end(
        self, handler: Handler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Resolver:
            def getaddrinfo(self, *args: Any) -> Any:
                gevent.sleep(LIMIT)

        monkeypatch.setattr(gevent.get_hub(), "_resolver", Resolver())
        with pytest.raises(TimeoutError):
            handler.create_connection(("name.invalid", 1), timeout=0.05)
