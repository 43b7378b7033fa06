"""What would block the loop is refused, and what is busy lets the loop run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import greenlet
import pytest
from own_loop import OwnLoop, new_handler, run

from handler_core import Callback
from handler_core.testing import LIMIT


def receive(handler: Any) -> None:
    left, right = handler.socket_module.socketpair()
    with left, right:
        left.recv(1)


class TestBlocking(OwnLoop):
    @pytest.mark.parametrize(
        "wait",
        [
            lambda handler: handler.async_result().get(),
            lambda handler: handler.async_result().wait(1),
            lambda handler: handler.event_object().wait(),
            lambda handler: handler.sleep_func(0.01),
            lambda handler: handler.queue_impl().get(),
            lambda handler: handler.select([], [], [], 1),
            lambda handler: handler.spawn(handler.sleep_func, 0.01).join(),
            lambda handler: handler.create_connection(("localhost", 1)),
            lambda handler: (handler.dispatch_callback(Callback("", len, ("",))), handler.stop()),
        ],
        ids=["get", "wait", "event", "sleep", "queue", "select", "join", "connect", "stop"],
    )
    def test_c16_in_a_coroutine(self, wait: Callable[[Any], object]) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                with pytest.raises(RuntimeError, match=r"await result.*await handler\.call\("):
                    wait(handler)

        run(main())

    @pytest.mark.parametrize(
        "wait",
        [
            lambda handler: handler.sleep_func(0.01),
            lambda handler: handler.queue_impl().get(timeout=0.01),
            receive,
        ],
        ids=["sleep", "queue", "recv"],
    )
    def test_c16_the_first_call_in_a_loop(self, wait: Callable[[Any], object]) -> None:
        """It is refused too, if the handler was made before the loop, as a global may be."""
        handler = new_handler()

        async def main() -> None:
            with pytest.raises(RuntimeError, match=r"await handler\.call\("):
                wait(handler)

        self.os_thread(lambda: run(main())).result(handler)

    def test_c16_a_lock(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                for lock in (handler.lock_object(), handler.rlock_object()):
                    await handler.call(lock.acquire)
                    assert not lock.acquire(blocking=False)
                    with pytest.raises(RuntimeError, match=r"await handler\.call\("):
                        lock.acquire()

        run(main())

    def test_in_a_greenlet_of_somebody_else(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                result = handler.async_result()

                def wait() -> None:
                    with pytest.raises(RuntimeError, match=r"await handler\.call\("):
                        result.get()

                greenlet.greenlet(wait).switch()

        run(main())

    def test_outside_of_a_loop_that_does_not_run(self) -> None:
        loop = asyncio.new_event_loop()
        handler = new_handler()

        async def start() -> None:
            handler.start()
            handler.dispatch_callback(Callback("test", len, ("",)))

        async def stop() -> None:
            await handler.call(handler.stop)

        try:
            loop.run_until_complete(start())
            with pytest.raises(RuntimeError, match="does not run"):
                handler.stop()
            assert handler.running
            loop.run_until_complete(stop())
            assert not handler.running
        finally:
            loop.close()


class TestFairness(OwnLoop):
    def test_a_loop_around_select_lets_coroutines_run(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                left, right = handler.create_socket_pair()
                right.send(b"x")
                over = False

                def spin() -> int:
                    count = 0
                    while not over:
                        count += bool(handler.select([left], [], [], LIMIT)[0])
                    return count

                with left, right:
                    spinning = asyncio.ensure_future(handler.call(spin))
                    for _ in range(10):
                        await asyncio.sleep(0)
                    over = True
                    assert await spinning >= 10

        run(main())

    def test_busy_callbacks_let_coroutines_run(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                over = False

                def work() -> None:
                    if not over:
                        handler.dispatch_callback(Callback("test", work, ()))

                work()
                for _ in range(10):
                    await asyncio.sleep(0)
                over = True

        run(main())
