"""Inside ``handler.call`` the caller's task is the current one, after each wait of the function."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
from own_loop import OwnLoop, new_handler, only_asyncio, run

from handler_core import Callback
from handler_core.testing import LONG


@contextlib.contextmanager
def timeout(seconds: float) -> Iterator[None]:
    """Use ``asyncio.timeout`` in code that is no coroutine."""
    limited = asyncio.timeout(seconds)
    _step(limited.__aenter__())
    try:
        yield
    except BaseException as error:
        if not _step(limited.__aexit__(type(error), error, error.__traceback__)):
            raise
    else:
        _step(limited.__aexit__(None, None, None))


def _step(coroutine: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")


class TestCurrentTask(OwnLoop):
    @pytest.mark.parametrize("kind", ["result", "event", "lock", "queue", "select", "sleep", "0"])
    def test_it_is_the_callers(self, kind: str) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                left, right = handler.create_socket_pair()
                right.send(b"x")
                queue, result = handler.queue_impl(), handler.async_result()
                event, lock = handler.event_object(), handler.lock_object()
                lock.acquire()

                def wake() -> None:
                    queue.put(1)
                    result.set(1)
                    event.set()
                    lock.release()

                ways: dict[str, Callable[[], object]] = {
                    "result": result.get,
                    "event": event.wait,
                    "lock": lock.acquire,
                    "queue": queue.get,
                    "select": lambda: [handler.select([left], [], []), handler.sleep_func(0.001)],
                    "sleep": lambda: handler.sleep_func(0.001),
                    "0": lambda: handler.sleep_func(0),
                }
                seen: list[Any] = []

                def work() -> None:
                    seen.append(asyncio.current_task())
                    ways[kind]()
                    seen.append(asyncio.current_task())
                    handler.sleep_func(0.001)
                    seen.append(asyncio.current_task())

                asyncio.get_running_loop().call_later(0.001, wake)
                with left, right:
                    await handler.call(work)
                assert seen == [asyncio.current_task()] * 3

        run(main())

    def test_many_at_once(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                def work(number: int) -> None:
                    task = asyncio.current_task()
                    assert task is not None
                    assert task.get_name() == str(number)
                    for _ in range(5):
                        handler.sleep_func(0.0001 * (number % 3))
                        assert asyncio.current_task() is task

                async def call(number: int) -> None:
                    me = asyncio.current_task()
                    await handler.call(work, number)
                    assert asyncio.current_task() is me
                    await asyncio.sleep(0)
                    assert asyncio.current_task() is me

                tasks = [asyncio.create_task(call(n), name=str(n)) for n in range(50)]
                spawned = handler.spawn(self.no_task, handler)
                handler.dispatch_callback(Callback("test", self.no_task, (handler,)))
                await asyncio.gather(*tasks)
                await handler.call(spawned.join)

        run(main())

    def no_task(self, handler: Any) -> None:
        for _ in range(5):
            assert asyncio.current_task() is None
            handler.sleep_func(0.0001)

    def test_the_exit_belongs_to_the_task_that_leaves(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                seen: list[Any] = []

                class Manager:
                    def __enter__(self) -> None:
                        self.__exit__()

                    def __exit__(self, *_: object) -> None:
                        handler.sleep_func(0.001)
                        seen.append(asyncio.current_task())

                context = handler.calling(Manager())
                await context.__aenter__()
                leaving = asyncio.ensure_future(context.__aexit__(None, None, None))
                await leaving
                assert seen == [asyncio.current_task(), leaving]

        run(main())

    def test_as_it_cleans_up_and_afterwards(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                seen: list[Any] = []

                def work() -> None:
                    try:
                        handler.event_object().wait()
                    finally:
                        seen.append(asyncio.current_task())
                        handler.sleep_func(0.001)
                        seen.append(asyncio.current_task())

                task = asyncio.ensure_future(handler.call(work))
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert seen == [task, task]
                abandoned = handler.call(work)
                abandoned.send(None)
                abandoned.close()
                while len(seen) < 4:
                    await asyncio.sleep(0.001)
                assert seen[2:] == [None, None]

        run(main())

    def test_a_timeout_of_asyncio(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                def work() -> str:
                    handler.sleep_func(0)
                    with timeout(LONG):
                        handler.sleep_func(0)
                    with pytest.raises(TimeoutError), timeout(0.001):
                        handler.sleep_func(LONG)
                    handler.sleep_func(0)
                    return "done"

                assert await handler.call(work) == "done"
                me = asyncio.current_task()
                assert me is not None
                assert me.cancelling() == 0

        run(main())

    def test_scopes_of_anyio(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                def work() -> int:
                    handler.sleep_func(0)
                    with anyio.move_on_after(0.001) as scope:
                        handler.sleep_func(LONG)
                    assert scope.cancelled_caught
                    with pytest.raises(TimeoutError), anyio.fail_after(0.001):
                        handler.sleep_func(LONG)
                    handler.sleep_func(0)
                    return anyio.get_current_task().id

                assert await handler.call(work) == anyio.get_current_task().id

        run(main())

    def test_it_cancels_itself(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                steps: list[str] = []

                def work() -> None:
                    for _ in range(2):
                        task = asyncio.current_task()
                        assert task is not None
                        task.cancel()
                        try:
                            handler.event_object().wait()
                        except asyncio.CancelledError:
                            steps.append("cancelled")
                            task.uncancel()

                await handler.call(work)
                assert steps == ["cancelled"] * 2

        run(main())

    @pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="Python 3.12 has it")
    def test_eager_tasks(self) -> None:
        only_asyncio("uvloop 0.23 hands asyncio's own eager factory an argument it does not know")

        async def main() -> None:
            async with new_handler() as handler:
                me = asyncio.current_task()
                asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)

                async def first_step() -> Any:
                    seen = asyncio.current_task()
                    return seen, await handler.call(inner)

                def inner() -> Any:
                    handler.sleep_func(0)
                    return asyncio.current_task()

                def work() -> asyncio.Task[Any]:
                    handler.sleep_func(0)
                    task = asyncio.create_task(first_step())
                    assert asyncio.current_task() is me
                    handler.sleep_func(0.001)
                    assert asyncio.current_task() is me
                    return task

                task = await handler.call(work)
                assert await task == (task, task)

        run(main())

    @pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 has it")
    def test_a_log_names_it(self, caplog: pytest.LogCaptureFixture) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                def work() -> None:
                    handler.sleep_func(0.001)
                    logging.getLogger("test").warning("from the function")

                await asyncio.create_task(handler.call(work), name="by name")

        run(main())
        records = [record for record in caplog.records if record.name == "test"]
        assert [getattr(record, "taskName", None) for record in records] == ["by name"]
