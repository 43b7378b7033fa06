"""Results that coroutines await."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from handler_core_asyncio import AsyncioTimeoutError, AsyncResult
from own_loop import OwnLoop, new_handler, run

from handler_core import HandlerTimeoutError
from handler_core.testing import LIMIT


class TestAwaiting(OwnLoop):
    def test_a_value_an_exception_and_again(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                result = handler.async_result()
                assert isinstance(result, AsyncResult)
                asyncio.get_running_loop().call_soon(result.set, 1)
                assert await result == 1
                assert await result == 1
                failed = handler.async_result()
                asyncio.get_running_loop().call_soon(failed.set_exception, ValueError("planned"))
                for _ in range(3):
                    with pytest.raises(ValueError, match="planned") as caught:
                        await failed
                assert len(caught.traceback) <= 4

        run(main())

    def test_wait_for_gather_and_timeout(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                results = [handler.async_result() for _ in range(3)]
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(results[0], 0.001)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.001):
                        await results[0]
                for number, result in enumerate(results):
                    handler.spawn(result.set, number)
                assert await asyncio.gather(*results) == [0, 1, 2]
                assert await asyncio.wait_for(results[1], LIMIT) == 1

        run(main())

    def test_a_wait_that_was_cancelled_leaves_nothing_behind(self) -> None:
        async def main() -> None:
            result = new_handler().async_result()
            tasks = [asyncio.ensure_future(_await(result)) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[1].cancel()
            await asyncio.sleep(0)
            assert result._waiters is not None
            assert len(result._waiters) == 2
            result.set(1)
            await asyncio.gather(*tasks, return_exceptions=True)
            assert tasks[1].cancelled()
            assert [tasks[0].result(), tasks[2].result()] == [1, 1]

        run(main())

    def test_a_result_without_a_handler(self) -> None:
        async def main() -> None:
            result = AsyncResult()
            asyncio.get_running_loop().call_soon(result.set, 1)
            assert await result == 1
            with pytest.raises(RuntimeError, match="await result"):
                AsyncResult().get()

        run(main())
        with pytest.raises(AsyncioTimeoutError) as caught:
            AsyncResult().get(timeout=0.001)
        assert isinstance(caught.value, HandlerTimeoutError)

    def test_set_by_another_thread(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                for _ in range(100):
                    asked, answered = handler.async_result(), handler.async_result()

                    def answer(asked: Any = asked, answered: Any = answered) -> None:
                        answered.set(asked.get(timeout=LIMIT) + 1)

                    thread = self.os_thread(answer)
                    asked.set(1)
                    assert await answered == 2
                    await handler.call(thread.result, handler)

        run(main())

    def test_a_setter_after_the_end_of_the_loop(self) -> None:
        result = AsyncResult()

        async def main() -> None:
            waiting = _await(result), new_handler().call(result.get)
            tasks = [asyncio.ensure_future(coroutine) for coroutine in waiting]
            await asyncio.sleep(0)
            assert not any(task.done() for task in tasks)

        run(main())
        result.set(1)
        assert result.get() == 1


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
