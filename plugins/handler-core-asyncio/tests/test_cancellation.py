"""What a cancelled coroutine does to the function that it calls."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import greenlet
import pytest
from own_loop import OwnLoop, new_handler, only_asyncio, raise_, run

from handler_core.testing import LONG


class TestCancellation(OwnLoop):
    def test_it_is_raised_where_the_function_waits(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                steps = []
                lock = handler.lock_object()

                def work() -> None:
                    with lock:
                        steps.append("waiting")
                        try:
                            handler.event_object().wait()
                        except asyncio.CancelledError as error:
                            steps.append(f"cancelled: {error}")
                            handler.sleep_func(0.001)
                            steps.append("cleaned up")
                            raise

                task = asyncio.ensure_future(handler.call(work))
                await asyncio.sleep(0)
                assert steps == ["waiting"]
                task.cancel("by the test")
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert task.cancelled()
                assert steps == ["waiting", "cancelled: by the test", "cleaned up"]
                assert not lock.locked()

        run(main())

    def test_a_function_that_is_stubborn(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                def work() -> str:
                    for _ in range(2):
                        with contextlib.suppress(asyncio.CancelledError):
                            handler.event_object().wait()
                    return "done"

                task = asyncio.ensure_future(handler.call(work))
                for _ in range(2):
                    await asyncio.sleep(0)
                    task.cancel()
                    await asyncio.sleep(0)
                assert await task == "done"

        run(main())

    @pytest.mark.parametrize(
        "kind", ["result", "event", "lock", "queue", "select", "sleep", "recv"]
    )
    def test_each_way_to_wait(self, kind: str) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                left, right = handler.create_socket_pair()
                lock = handler.lock_object()
                lock.acquire()
                queue = handler.queue_impl()
                ways: dict[str, Callable[[], object]] = {
                    "result": handler.async_result().get,
                    "event": handler.event_object().wait,
                    "lock": lock.acquire,
                    "queue": queue.get,
                    "select": lambda: handler.select([left], [], []),
                    "sleep": lambda: handler.sleep_func(LONG),
                    "recv": lambda: left.recv(1),
                }
                with left, right:
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(handler.call(ways[kind]), 0.001)
                    # The next caller gets the lock, the item and the byte.
                    lock.release()
                    assert lock.acquire(blocking=False)
                    queue.put(1)
                    right.send(b"x")
                    assert await handler.call(queue.get) == 1
                    assert await handler.call(left.recv, 1) == b"x"

        run(main())

    def test_what_has_ended_at_the_same_moment(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                event = handler.event_object()
                task = asyncio.ensure_future(handler.call(event.wait))
                await asyncio.sleep(0)
                event.set()
                await asyncio.sleep(0)  # the greenlet goes on, and the coroutine is about to
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        run(main())

    def test_what_waits_when_its_loop_is_closed_is_left_without_a_word(self) -> None:
        printed = self.run_script(
            """
            import asyncio, gc, sys
            def wait(event, when_over):
                try:
                    event.wait()
                finally:
                    print(when_over)
            async def main(handler):
                waiting = handler.call(wait, handler.event_object(), "a call ended")
                waiting.send(None)
                handler.spawn(wait, handler.event_object(), "a task ended")
                await asyncio.sleep(0)
                return waiting
            loop = asyncio.new_event_loop()
            waiting = loop.run_until_complete(main(handler))
            loop.close()
            waiting.close()
            del waiting, handler
            gc.collect()
            print("the loop is closed")
            """
        )
        assert printed == "the loop is closed\n"

    def test_a_function_that_ends_its_greenlet(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                with pytest.raises(greenlet.GreenletExit):
                    await handler.call(raise_, greenlet.GreenletExit())

        run(main())

    @pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="Python 3.12 has it")
    def test_eager_tasks(self) -> None:
        only_asyncio("uvloop 0.23 hands asyncio's own eager factory an argument it does not know")

        async def main() -> None:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            async with new_handler() as handler:

                def work(number: int) -> int:
                    handler.sleep_func(0.001)
                    return number

                tasks: list[asyncio.Task[int]] = []

                def begin() -> None:  # in a greenlet, and so does the first step of each task
                    tasks.extend(asyncio.create_task(handler.call(work, n)) for n in range(10))
                    handler.sleep_func(0.001)

                await handler.call(begin)
                assert await asyncio.gather(*tasks) == list(range(10))

        run(main())

    def test_a_coroutine_that_nobody_goes_on_with(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                ended = []

                def work() -> None:
                    try:
                        handler.event_object().wait()
                    finally:
                        ended.append(True)

                coroutine = handler.call(work)
                coroutine.send(None)
                coroutine.close()
                await asyncio.sleep(0)
                assert ended == [True]

        run(main())
