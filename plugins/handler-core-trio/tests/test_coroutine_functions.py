"""Coroutine functions as callbacks and links, and those that a blocking function calls."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any

import pytest
import trio
from own_trio import OwnTrio, in_virtual_time, new_handler, run, with_handler

from handler_core import Callback
from handler_core.testing import LIMIT, LONG

REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("REQUEST", default="none")


class TestCoroutineFunctions(OwnTrio):
    def test_callbacks_are_awaited_one_after_the_other(self) -> None:
        ran: list[str] = []

        async def callback(number: int) -> None:
            ran.append(f"begins {number}")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep, 0.001)
            ran.append(f"ends {number}")

        async def main() -> None:
            async with new_handler() as handler:
                for number in range(3):
                    handler.dispatch_callback(Callback("test", callback, (number,)))
                result = handler.async_result()

                async def link(done: Any) -> None:
                    await callback(done.value)

                result.link(link)
                await handler.call(handler.stop)
                result.set(3)  # nobody waits for this one but the nursery

        run(main)
        assert ran == [f"{what} {number}" for number in range(4) for what in ("begins", "ends")]

    def test_a_function_that_blocks_calls_one_in_the_callers_task(self) -> None:
        async def main(handler: Any) -> None:
            async def look(fails: bool) -> Any:
                before = trio.lowlevel.current_task()
                with trio.move_on_after(0.001) as scope:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(trio.sleep_forever)
                assert scope.cancelled_caught
                assert trio.lowlevel.current_task() is before
                if fails:
                    raise ValueError("as planned")
                return before

            def twice(func: Callable[[bool], Any]) -> list[Any]:
                with pytest.raises(ValueError, match="as planned"):
                    func(True)
                handler.sleep_func(0.001)
                return [func(False), trio.lowlevel.current_task()]

            assert await handler.call(twice, look) == [trio.lowlevel.current_task()] * 2
            result = handler.async_result()
            handler.spawn(lambda call: result.set(call(False)), look)
            assert isinstance(await result, trio.lowlevel.Task)

        with_handler(main)

    def test_its_cancellation_is_raised_in_the_coroutine(self) -> None:
        async def main(handler: Any) -> None:
            steps: list[str] = []

            async def waits() -> None:
                try:
                    await trio.sleep(LONG)
                except trio.Cancelled:
                    steps.append("coroutine")
                    raise

            def calls(func: Callable[[], object]) -> None:
                try:
                    func()
                finally:
                    handler.sleep_func(0.001)
                    steps.append("function")

            with trio.move_on_after(0.001) as scope:
                await handler.call(calls, waits)
            assert scope.cancelled_caught
            assert steps == ["coroutine", "function"]

        in_virtual_time(main)

    def test_a_thread_calls_one(self) -> None:
        async def main(handler: Any) -> None:
            async def name() -> str:
                await trio.sleep(0)
                return threading.current_thread().name

            def call_in_thread(func: Callable[[], str]) -> list[str]:
                names: list[str] = []
                thread = threading.Thread(target=lambda: names.append(func()))
                thread.start()
                while thread.is_alive():
                    handler.sleep_func(0.001)
                return names

            names = await handler.call(call_in_thread, name)
            assert names == [threading.current_thread().name]

        with_handler(main)

    def test_the_loop_itself_may_not_call_one(self) -> None:
        async def main(handler: Any) -> None:
            async def nothing() -> None: ...

            function = await handler.call(lambda func: func, nothing)
            with pytest.raises(RuntimeError, match="nothing is a coroutine function"):
                function()

        with_handler(main)


class TestContexts(OwnTrio):
    def test_each_callback_belongs_to_its_request(self) -> None:
        async def main(handler: Any) -> None:
            async def serve(name: str) -> None:
                REQUEST.set(name)
                results = [handler.async_result() for _ in range(5)]
                dispatched, awaited, linked, awaiting, spawned = results

                async def look(result: Any) -> None:
                    await trio.sleep(0)
                    result.set(REQUEST.get())

                async def look_after(_: Any) -> None:
                    await look(awaiting)

                handler.dispatch_callback(
                    Callback("request", lambda: dispatched.set(REQUEST.get()), ())
                )
                handler.dispatch_callback(Callback("request", look, (awaited,)))
                dispatched.link(lambda _: linked.set(REQUEST.get()))
                dispatched.link(look_after)
                handler.spawn(lambda: spawned.set(REQUEST.get()))
                assert [await result for result in results] == [name] * 5

            async with trio.open_nursery() as nursery:
                for name in "ABC":
                    nursery.start_soon(serve, name)

        with_handler(main)

    def test_a_thread_that_spawns(self) -> None:
        async def main(handler: Any) -> None:
            seen = handler.async_result()

            def spawn() -> None:
                REQUEST.set("the thread's")
                handler.spawn(lambda: seen.set(REQUEST.get()))

            await trio.to_thread.run_sync(spawn)
            assert await seen == "the thread's"

        with_handler(main)

    def test_a_call_and_what_it_has_awaited(self) -> None:
        async def main(handler: Any) -> None:
            async def look() -> str:
                await trio.sleep(0)
                return REQUEST.get()

            def work(func: Callable[[], str]) -> list[str]:
                seen = [REQUEST.get(), func()]
                REQUEST.set("the function's")
                handler.sleep_func(0)
                return [*seen, REQUEST.get(), func()]

            REQUEST.set("the caller's")
            seen = await handler.call(work, look)
            assert seen == ["the caller's"] * 2 + ["the function's"] * 2
            assert REQUEST.get() == "the caller's"

        with_handler(main)


class TestThreads(OwnTrio):
    def test_a_handler_of_another_run(self) -> None:
        """Its home is the private loop. The caller's own run does not stop for it."""
        private = new_handler()
        private.start()

        async def main() -> None:
            result = private.async_result()
            private.dispatch_callback(Callback("test", result.set, (1,)))
            assert await result == 1
            assert await private.call(private.async_result().wait, 0.001) is False
            await private.call(private.stop)

        run(main)
        assert not private.running

    def test_two_runs_in_two_threads(self) -> None:
        async def main(handler: Any) -> None:
            ours = handler.async_result()
            theirs: list[Any] = []

            async def other(other: Any) -> None:
                theirs.append(other.async_result())
                theirs[0].set(1)
                assert await ours == 2

            thread = threading.Thread(target=with_handler, args=(other,))
            thread.start()
            while not theirs:
                await trio.sleep(0.001)
            assert await theirs[0] == 1
            ours.set(2)
            while thread.is_alive():
                await trio.sleep(0.001)
            thread.join(LIMIT)

        with_handler(main)
