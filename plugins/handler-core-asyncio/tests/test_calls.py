"""What a coroutine calls: functions and context managers that block."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import threading
from collections.abc import Iterator
from typing import Any

import greenlet
import pytest
from handler_core_greenlet import CallGreenlet, TaskGreenlet
from own_loop import OwnLoop, new_handler, raise_, run

from handler_core import Callback
from handler_core.testing import LONG

CONTEXT: contextvars.ContextVar[str] = contextvars.ContextVar("CONTEXT", default="nothing")


class TestCall(OwnLoop):
    def test_its_value_and_its_exception(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                assert await handler.call(divmod, 7, 2) == (3, 1)
                assert await handler.call(int, "11", base=2) == 3
                with pytest.raises(ZeroDivisionError) as caught:
                    await handler.call(divmod, 7, 0)
                assert caught.value.__context__ is None
                with pytest.raises(SystemExit, match="as planned"):
                    await handler.call(raise_, SystemExit("as planned"))

        run(main())

    def test_many_wait_at_once_on_one_thread(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                threads = set()
                before = threading.active_count()

                def work(number: int) -> int:
                    handler.sleep_func(0.001)
                    threads.add(threading.get_ident())
                    return number

                values = await asyncio.gather(*(handler.call(work, n) for n in range(100)))
                assert values == list(range(100))
                assert threads == {threading.get_ident()}
                assert threading.active_count() == before

        run(main())

    def test_it_lets_coroutines_run(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                result = handler.async_result()
                waiting = asyncio.ensure_future(handler.call(result.get))
                await asyncio.sleep(0)
                result.set(1)
                assert await waiting == 1

        run(main())

    def test_the_context_of_the_caller(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                CONTEXT.set("the caller's")
                seen = []

                def look() -> str:
                    handler.sleep_func(0)
                    seen.append(CONTEXT.get())
                    CONTEXT.set("the greenlet's")
                    handler.sleep_func(0)
                    return CONTEXT.get()

                assert await handler.call(look) == "the greenlet's"
                assert CONTEXT.get() == "the caller's"
                task = handler.spawn(look)
                await handler.call(task.join)
                assert seen == ["the caller's"] * 2

        run(main())

    def test_nothing_is_left_of_it(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                for _ in range(10):
                    await handler.call(len, "abc")
                    await handler.call(handler.sleep_func, 0)
                    with pytest.raises(ValueError, match="planned"):
                        await handler.call(raise_, ValueError("planned"))
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(handler.call(handler.sleep_func, LONG), 0.001)
                    async with handler.calling(handler.lock_object()):
                        pass
                    with pytest.raises(RuntimeError, match="planned"):
                        async with handler.calling(_Broken()):
                            pass

        def left() -> int:
            gc.collect()
            return sum(isinstance(each, (CallGreenlet, TaskGreenlet)) for each in gc.get_objects())

        before = left()
        run(main())
        assert left() == before

    def test_before_start_and_after_stop(self) -> None:
        async def main() -> None:
            handler = new_handler()
            assert await handler.call(len, "abc") == 3
            async with handler:
                pass
            assert await handler.call(handler.sleep_func, 0) is None

        run(main())

    def test_a_handler_of_another_loop(self) -> None:
        private = new_handler()
        private.start()

        async def main() -> None:
            result = private.async_result()
            private.dispatch_callback(Callback("test", result.set, (1,)))
            assert await result == 1
            assert await private.call(private.async_result().wait, 0.001) is False
            await private.call(private.stop)

        run(main())
        assert not private.running


class TestCalling(OwnLoop):
    def test_it_is_entered_and_left_in_one_greenlet(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                rlock = handler.rlock_object()
                async with handler.calling(rlock) as value:
                    assert value is True
                    assert not await handler.call(rlock.acquire, False)
                assert await handler.call(rlock.acquire, False)

        run(main())

    def test_it_may_be_made_in_another_task(self) -> None:
        request = contextvars.ContextVar("request", default="none")
        seen: list[str] = []

        @contextlib.contextmanager
        def manager() -> Iterator[None]:
            seen.append(request.get())
            yield
            seen.append(request.get())

        async def main() -> None:
            request.set("first")
            async with new_handler() as handler:
                context = handler.calling(manager())

                async def use() -> None:
                    request.set("second")
                    async with context:
                        await asyncio.sleep(0)

                await asyncio.create_task(use())

        run(main())
        assert seen == ["second", "second"]

    def test_it_may_be_made_in_a_greenlet_of_somebody_else(self) -> None:
        steps: list[str] = []

        async def main() -> None:
            async with new_handler() as handler:

                @contextlib.contextmanager
                def manager() -> Iterator[None]:
                    for step in "enter", "entered":
                        steps.append(step)
                        handler.sleep_func(0.001)
                    yield
                    for step in "exit", "left":
                        steps.append(step)
                        handler.sleep_func(0.001)

                def use() -> None:
                    context = handler.calling(manager())
                    switch = greenlet.getcurrent().parent.switch
                    switch(context.__aenter__())
                    steps.append("between")
                    switch(context.__aexit__(None, None, None))

                other = greenlet.greenlet(use)
                awaitable = other.switch()
                while not other.dead:
                    awaitable = other.switch(await awaitable)

        run(main())
        assert steps == ["enter", "entered", "between", "exit", "left"]

    def test_exceptions_are_shown_to_it(self) -> None:
        class Manager:
            def __init__(self, suppress: bool) -> None:
                self.suppress = suppress
                self.seen: Any = None

            def __enter__(self) -> str:
                handler.sleep_func(0)
                return "entered"

            def __exit__(self, kind: Any, value: Any, traceback: Any) -> bool:
                handler.sleep_func(0)
                self.seen = kind, value
                return self.suppress

        handler = new_handler()

        async def main() -> None:
            manager = Manager(suppress=True)
            async with handler.calling(manager) as value:
                assert value == "entered"
                raise ValueError("as planned")
            assert manager.seen[0] is ValueError
            manager = Manager(suppress=False)
            with pytest.raises(ValueError, match="as planned"):
                async with handler.calling(manager):
                    raise ValueError("as planned")

        run(main())

    def test_a_lock_that_is_taken_as_its_taker_is_cancelled_is_given_back(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                lock = handler.lock_object()
                lock.acquire()

                async def hold() -> None:
                    async with handler.calling(lock):
                        pass

                task = asyncio.ensure_future(hold())
                await asyncio.sleep(0)
                lock.release()  # hands it on to the greenlet, which goes on in the next turn
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert not lock.locked()

        run(main())


class _Broken:
    def __enter__(self) -> None:
        raise RuntimeError("as planned")

    def __exit__(self, *_: object) -> None:
        raise AssertionError("it was not entered")
