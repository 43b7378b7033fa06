"""What a cancelled coroutine does to the function that it calls."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import greenlet
import pytest
from handler_core_asyncio import SequentialAsyncioHandler
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

    def test_an_exit_is_finished(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                manager = _SlowExit(handler)

                async def hold() -> None:
                    async with handler.calling(manager):
                        await asyncio.sleep(LONG)

                task = asyncio.ensure_future(hold())
                await asyncio.sleep(0)
                while not task.done():
                    task.cancel("by the test")
                    await asyncio.sleep(0)
                assert manager.steps == ["entered", "leaving", "left"]
                with pytest.raises(asyncio.CancelledError):
                    await task

        run(main())

    def test_an_exit_that_is_cancelled_alone(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                for failure in (None, ValueError("planned")):
                    manager = _SlowExit(handler, failure)

                    async def enter_and_leave(manager: _SlowExit = manager) -> None:
                        async with handler.calling(manager):
                            pass

                    task = asyncio.ensure_future(enter_and_leave())
                    while "leaving" not in manager.steps:
                        await asyncio.sleep(0)
                    task.cancel("by the test")
                    with pytest.raises(asyncio.CancelledError, match="by the test") as caught:
                        await task
                    assert manager.steps == ["entered", "leaving", "left"]
                    assert failure is None or failure in _contexts(caught.value)

        run(main())

    def test_an_exit_within_a_timeout(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                manager = _SlowExit(handler)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.001), handler.calling(manager):
                        await asyncio.sleep(LONG)
                assert manager.steps == ["entered", "leaving", "left"]
                me = asyncio.current_task()
                assert me is not None
                assert me.cancelling() == 0

        run(main())

    @pytest.mark.parametrize("ends", ["raises it", "returns", "raises another"])
    def test_what_cleans_up_is_not_disturbed(self, ends: str) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                steps: list[str] = []

                def work() -> str:
                    try:
                        handler.event_object().wait()
                    except asyncio.CancelledError as error:
                        steps.append(f"cancelled: {error}")
                        for _ in range(5):
                            handler.sleep_func(0.001)
                        steps.append("cleaned up")
                        if ends == "raises it":
                            raise
                        if ends == "raises another":
                            raise ValueError("planned") from None
                    return "done"

                task = asyncio.ensure_future(handler.call(work))
                await asyncio.sleep(0)
                number = 0
                while not task.done():
                    number += 1
                    task.cancel(f"number {number}")
                    await asyncio.sleep(0)
                assert steps == ["cancelled: number 1", "cleaned up"]
                with pytest.raises(asyncio.CancelledError) as caught:
                    await task
                others = [type(each) for each in _contexts(caught.value)]
                assert (ValueError in others) == (ends == "raises another")

        run(main())

    def test_what_comes_while_it_cleans_up_is_raised_when_it_waits_again(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                steps: list[str] = []

                def work() -> None:
                    for _ in range(2):
                        try:
                            handler.event_object().wait()
                        except asyncio.CancelledError as error:
                            steps.append(f"cancelled: {error}")
                            handler.sleep_func(0.001)
                            steps.append("cleaned up")
                    steps.append("goes on")

                task = asyncio.ensure_future(handler.call(work))
                for number in range(2):
                    await asyncio.sleep(0)
                    task.cancel(f"number {number}")
                await task
                assert steps == [
                    "cancelled: number 0",
                    "cleaned up",
                    "cancelled: number 1",
                    "cleaned up",
                    "goes on",
                ]

        run(main())

    def test_what_has_not_begun(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                ran: list[int] = []

                def drive() -> None:  # in a greenlet, so the loop begins the call
                    coroutine = handler.call(ran.append, 1)
                    coroutine.send(None)
                    coroutine.throw(asyncio.CancelledError("by the test"))
                    handler.sleep_func(0)
                    with pytest.raises(asyncio.CancelledError, match="by the test"):
                        coroutine.send(None)

                await handler.call(drive)
                assert ran == []

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


class _SlowExit:
    """A context manager that waits as it is left."""

    def __init__(self, handler: SequentialAsyncioHandler, failure: Exception | None = None) -> None:
        self._handler = handler
        self._failure = failure
        self.steps: list[str] = []

    def __enter__(self) -> None:
        self.steps.append("entered")

    def __exit__(self, *_: object) -> None:
        self.steps.append("leaving")
        for _ in range(5):
            self._handler.sleep_func(0.001)
        self.steps.append("left")
        if self._failure is not None:
            raise self._failure


def _contexts(error: BaseException) -> list[BaseException]:
    """Return an exception and those that it was raised in the midst of."""
    found = [error]
    while found[-1].__context__ is not None:
        found.append(found[-1].__context__)
    return found
