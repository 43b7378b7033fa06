"""Results that tasks of trio await, and calls: each is a checkpoint."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from handler_core_trio import AsyncResult, TrioTimeoutError
from own_trio import OwnTrio, new_handler, raise_, run, with_handler

from handler_core import Callback, HandlerTimeoutError
from handler_core.testing import LIMIT


class TestAwaiting(OwnTrio):
    def test_a_value_an_exception_and_again(self) -> None:
        async def main(handler: Any) -> None:
            result, failed = handler.async_result(), handler.async_result()
            assert isinstance(result, AsyncResult)
            handler.spawn(result.set, 1)
            handler.spawn(failed.set_exception, ValueError("planned"))
            for _ in range(3):
                assert await result == 1
                with pytest.raises(ValueError, match="planned"):
                    await failed

        with_handler(main)

    def test_set_by_another_thread(self) -> None:
        async def main(handler: Any) -> None:
            for _ in range(100):
                asked, answered = handler.async_result(), handler.async_result()

                def answer(asked: Any = asked, answered: Any = answered) -> None:
                    answered.set(asked.get(timeout=LIMIT) + 1)

                thread = threading.Thread(target=answer)
                thread.start()
                asked.set(1)
                assert await answered == 2
                await handler.call(thread.join)

        with_handler(main)

    def test_a_thread_dispatches_links_and_waits(self) -> None:
        async def main(handler: Any) -> None:
            def work() -> list[object]:
                result, linked = handler.async_result(), handler.async_result()
                result.link(lambda done: linked.set(done.value))
                handler.dispatch_callback(Callback("test", result.set, (1,)))
                event = handler.event_object()
                handler.spawn(event.set)
                return [linked.get(timeout=LIMIT), result.wait(LIMIT), event.wait(LIMIT)]

            assert await trio.to_thread.run_sync(work) == [1, True, True]

        with_handler(main)

    def test_a_wait_that_was_cancelled_leaves_nothing_behind(self) -> None:
        async def main(handler: Any) -> None:
            result = handler.async_result()
            with trio.move_on_after(0.001) as scope:
                await result
            assert scope.cancelled_caught
            assert not result._waiters
            assert not result.ready()

        with_handler(main)

    def test_each_is_a_checkpoint(self) -> None:
        async def main(handler: Any) -> None:
            ready, failed = handler.async_result(), handler.async_result()
            ready.set(1)
            failed.set_exception(ValueError("planned"))
            awaits: list[Callable[[], Awaitable[object]]] = [
                lambda: ready,
                lambda: failed,
                lambda: handler.call(int),
                lambda: handler.call(raise_, ValueError("planned")),
                lambda: handler.calling(contextlib.nullcontext()).__aenter__(),
            ]
            for begin in awaits:
                with trio.testing.assert_checkpoints(), contextlib.suppress(ValueError):
                    await begin()
                with trio.CancelScope() as scope:
                    scope.cancel()
                    await begin()
                assert scope.cancelled_caught

        with_handler(main)

    def test_a_result_without_a_handler(self) -> None:
        async def main() -> None:
            result = AsyncResult()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_set_soon, result)
                assert await result == 1
            with pytest.raises(RuntimeError, match="await result"):
                AsyncResult().get()

        run(main)
        with pytest.raises(TrioTimeoutError) as caught:
            AsyncResult().get(timeout=0.001)
        assert isinstance(caught.value, HandlerTimeoutError)

    def test_a_coroutine_of_nobody(self) -> None:
        async def wait() -> None:
            await AsyncResult()

        coroutine = wait()
        with pytest.raises(RuntimeError, match="trio does not run this coroutine"):
            coroutine.send(None)
        coroutine = new_handler().call(int)
        with pytest.raises(RuntimeError, match="no trio loop runs this coroutine"):
            coroutine.send(None)

    def test_a_setter_after_the_end_of_the_run(self) -> None:
        result = AsyncResult()

        async def main() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(new_handler().call, result.get)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()

        run(main)
        result.set(1)
        assert result.get() == 1

    def test_a_call_that_would_block_is_refused(self) -> None:
        async def main(handler: Any) -> None:
            lock = handler.lock_object()
            lock.acquire()
            for wait in (
                handler.async_result().get,
                handler.event_object().wait,
                lock.acquire,
                handler.queue_impl().get,
                lambda: handler.sleep_func(0.001),
                lambda: handler.spawn(int).join(),
            ):
                with pytest.raises(RuntimeError, match=r"`await handler\.call\(\.\.\.\)`"):
                    wait()

        with_handler(main)


async def _set_soon(result: Any) -> None:
    await trio.sleep(0.001)
    result.set(1)
