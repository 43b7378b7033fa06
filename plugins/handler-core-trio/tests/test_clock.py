"""Timeouts follow the clock of trio, which may be ``trio.testing.MockClock``. And pytest-trio."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing
from own_trio import OwnTrio, new_handler, own_trio

HOUR = 3600.0


class TestClock(OwnTrio):
    @pytest.mark.parametrize(
        "kind",
        [
            "connect",
            "sleep",
            "result",
            "event",
            "lock",
            "get",
            "put",
            "select",
            "recv",
            "join",
            "condition",
            "timer",
        ],
    )
    def test_an_hour_is_over_at_once(self, kind: str) -> None:
        async def main(handler: Any) -> None:
            left, right = handler.socket_module.socketpair()
            left.settimeout(HOUR)
            lock = handler.lock_object()
            lock.acquire()
            items = handler.queue_impl(1)
            full = handler.queue_impl(1)
            full.put(1)
            sleeper = handler.spawn(handler.sleep_func, 2 * HOUR)

            def raises(error: type[Exception], func: Callable[..., object]) -> None:
                with pytest.raises(error):
                    func(timeout=HOUR)

            def wait_for_timer() -> None:
                event = handler.event_object()
                handler.call_later(HOUR, event.set)
                event.wait()

            silent = socket.create_server(("127.0.0.1", 0))
            tls = {"use_ssl": True, "verify_certs": False}
            address = silent.getsockname()
            ways: dict[str, Callable[[], object]] = {
                "connect": lambda: raises(
                    TimeoutError,
                    lambda timeout: handler.create_connection(address, timeout, **tls),
                ),
                "sleep": lambda: handler.sleep_func(HOUR),
                "result": lambda: raises(handler.timeout_exception, handler.async_result().get),
                "event": lambda: handler.event_object().wait(HOUR),
                "lock": lambda: lock.acquire(timeout=HOUR),
                "get": lambda: raises(queue.Empty, items.get),
                "put": lambda: raises(queue.Full, lambda timeout: full.put(2, timeout=timeout)),
                "select": lambda: handler.select([left], [], [], HOUR),
                "recv": lambda: raises(TimeoutError, lambda timeout: left.recv(1)),
                "join": lambda: sleeper.join(HOUR),
                "condition": lambda: handler.rlock_object().acquire(timeout=HOUR),
                "timer": wait_for_timer,
            }
            begun, limit = trio.current_time(), time.monotonic() + HOUR / 10
            with left, right, silent:
                await handler.call(ways[kind])
            assert time.monotonic() < limit
            passed = trio.current_time() - begun
            assert passed == (0 if kind == "condition" else pytest.approx(HOUR))
            assert sleeper.is_alive()

        clock = trio.testing.MockClock(autojump_threshold=0)
        trio.run(_without_limit, main, clock=clock)

    @pytest.mark.parametrize("where", ["the loop", "another thread"])
    def test_a_timer_that_was_set_while_stopped(self, where: str) -> None:
        """It counts from then on, by the clock of the run in which the handler is started."""

        async def main() -> None:
            handler = new_handler()
            events = [handler.event_object() for _ in range(3)]

            def set_timers() -> None:
                for hours, event in zip((3, 1, 2), events, strict=True):
                    handler.call_later(hours * HOUR, event.set)

            begun = trio.current_time()
            if where == "the loop":
                set_timers()
                await trio.sleep(HOUR / 2)
            else:
                thread = threading.Thread(target=set_timers)
                thread.start()
                thread.join()
            async with handler:
                for number in (1, 2, 0):
                    await handler.call(events[number].wait)
                    passed = (trio.current_time() - begun) / HOUR
                    assert passed == pytest.approx((3, 1, 2)[number], abs=0.1)

        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

    def test_a_timer_from_another_thread(self) -> None:
        async def main(handler: Any) -> None:
            event = handler.event_object()
            begun = trio.current_time()
            thread = threading.Thread(target=handler.call_later, args=(HOUR, event.set))
            thread.start()
            thread.join()
            await handler.call(event.wait)
            assert trio.current_time() - begun == pytest.approx(HOUR)

        trio.run(_without_limit, main, clock=trio.testing.MockClock(autojump_threshold=0))

    def test_a_clock_that_stands_still(self) -> None:
        async def main(handler: Any) -> None:
            clock: Any = trio.lowlevel.current_clock()
            result = handler.async_result()

            def work() -> None:
                handler.sleep_func(1)
                result.set(trio.current_time())

            handler.spawn(work)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert not result.ready()
            clock.jump(2)
            assert await result == 2

        clock = trio.testing.MockClock()
        trio.run(_without_limit, main, clock=clock)


async def _without_limit(main: Any) -> None:
    async with new_handler() as handler:
        await main(handler)


@pytest.fixture
async def started(nursery: Any) -> Any:
    async with new_handler() as handler:
        yield handler


@own_trio
@pytest.mark.trio
async def test_pytest_trio(started: Any, autojump_clock: trio.testing.MockClock) -> None:
    before = trio.current_time()
    await started.call(started.sleep_func, HOUR)
    assert trio.current_time() - before == pytest.approx(HOUR)
    result = started.async_result()
    started.spawn(result.set, 1)
    assert await result == 1
