"""What a task of trio calls: functions and context managers that block."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Callable
from typing import Any

import greenlet
import pytest
import trio
from handler_core_greenlet import CallGreenlet, TaskGreenlet
from own_trio import OwnTrio, in_virtual_time, new_handler, raise_, run, with_handler

from handler_core import Callback
from handler_core.testing import LONG


def receive(handler: Any) -> None:
    left, right = handler.socket_module.socketpair()
    with left, right:
        left.recv(1)


class TestCalls(OwnTrio):
    def test_its_value_and_its_exception(self) -> None:
        async def main(handler: Any) -> None:
            assert await handler.call(divmod, 7, 2) == (3, 1)
            assert await handler.call(int, "11", base=2) == 3
            with pytest.raises(ZeroDivisionError) as caught:
                await handler.call(divmod, 7, 0)
            assert caught.value.__context__ is None
            with pytest.raises(SystemExit, match="as planned"):
                await handler.call(raise_, SystemExit("as planned"))
            with pytest.raises(greenlet.GreenletExit):
                await handler.call(raise_, greenlet.GreenletExit())

        with_handler(main)

    @pytest.mark.parametrize(
        "wait",
        [
            lambda handler: handler.sleep_func(0.01),
            lambda handler: handler.queue_impl().get(timeout=0.01),
            receive,
        ],
        ids=["sleep", "queue", "recv"],
    )
    def test_c16_the_first_call_in_a_run(self, wait: Callable[[Any], object]) -> None:
        """It is refused too, if the handler was made before the run, as a global may be."""
        handler = new_handler()

        async def main() -> None:
            with pytest.raises(RuntimeError, match=r"await handler\.call\("):
                wait(handler)

        self.os_thread(lambda: run(main)).result(handler)

    def test_many_wait_at_once_on_one_thread(self) -> None:
        async def main(handler: Any) -> None:
            threads, numbers = set(), set()
            before = threading.active_count()

            def work(number: int) -> None:
                handler.sleep_func(0.001)
                threads.add(threading.get_ident())
                numbers.add(number)

            async with trio.open_nursery() as nursery:
                for number in range(100):
                    nursery.start_soon(handler.call, work, number)
            assert numbers == set(range(100))
            assert threads == {threading.get_ident()}
            assert threading.active_count() == before

        with_handler(main)

    def test_the_current_task_is_the_callers(self) -> None:
        async def main(handler: Any) -> None:
            def look() -> list[Any]:
                tasks = [trio.lowlevel.current_task()]
                handler.sleep_func(0)
                tasks.append(trio.lowlevel.current_task())
                handler.sleep_func(0.001)
                return [*tasks, trio.lowlevel.current_task()]

            assert await handler.call(look) == [trio.lowlevel.current_task()] * 3
            result = handler.async_result()
            handler.spawn(lambda: result.set(look()))
            assert len(set(await result)) == 1

        with_handler(main)

    def test_a_context_manager_is_entered_and_left_in_one_greenlet(self) -> None:
        async def main(handler: Any) -> None:
            rlock = handler.rlock_object()
            async with handler.calling(rlock) as value:
                assert value is True
                assert not await handler.call(rlock.acquire, False)
            assert await handler.call(rlock.acquire, False)
            with pytest.raises(ValueError, match="as planned"):
                async with handler.calling(contextlib.nullcontext()):
                    raise ValueError("as planned")
            async with handler.calling(contextlib.suppress(ValueError)):
                raise ValueError("as planned")

        with_handler(main)

    def test_busy_greenlets_let_tasks_run(self) -> None:
        async def main(handler: Any) -> None:
            over = False
            left, right = handler.create_socket_pair()
            right.send(b"x")

            def spin() -> None:
                while not over:
                    handler.select([left], [], [], 1)

            def again() -> None:
                if not over:
                    handler.dispatch_callback(Callback("test", again, ()))

            with left, right:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(handler.call, spin)
                    again()
                    for _ in range(10):
                        await trio.lowlevel.checkpoint()
                    over = True

        with_handler(main)

    def test_nothing_is_left_of_it(self) -> None:
        async def main(handler: Any) -> None:
            for _ in range(10):
                await handler.call(len, "abc")
                await handler.call(handler.sleep_func, 0)
                with pytest.raises(ValueError, match="planned"):
                    await handler.call(raise_, ValueError("planned"))
                with trio.move_on_after(0.001):
                    await handler.call(handler.sleep_func, LONG)
                async with handler.calling(handler.lock_object()):
                    pass
                handler.spawn(handler.sleep_func, 0.001)

        def left() -> int:
            gc.collect()
            return sum(isinstance(each, (CallGreenlet, TaskGreenlet)) for each in gc.get_objects())

        before = left()
        in_virtual_time(main)
        assert left() == before

    def test_before_start_and_after_stop(self) -> None:
        async def main() -> None:
            handler = new_handler()
            assert await handler.call(len, "abc") == 3
            async with handler:
                pass
            await handler.call(handler.sleep_func, 0)

        run(main)
