"""Coroutine functions that a blocking function calls: it blocks until they have ended."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import functools
import gc
import inspect
import logging
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import anyio
import greenlet
import pytest
from handler_core_asyncio import SequentialAsyncioHandler
from handler_core_greenlet import CallGreenlet, TaskGreenlet
from own_loop import OwnLoop, new_handler, run

from handler_core import Callback
from handler_core.testing import LIMIT, LONG

CONTEXT: contextvars.ContextVar[str] = contextvars.ContextVar("CONTEXT", default="nothing")


class Election:
    """Calls a function while it holds a lock, and drops what it returns, as kazoo's does."""

    def __init__(self, handler: SequentialAsyncioHandler) -> None:
        self._handler = handler
        self.leading = False

    def run(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        self._handler.sleep_func(0.001)
        self.leading = True
        try:
            func(*args, **kwargs)
        finally:
            for _ in range(3):
                self._handler.sleep_func(0.001)
            self.leading = False


def call(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return func(*args, **kwargs)


async def double(number: int) -> int:
    await asyncio.sleep(0.001)
    return number * 2


class Doubler:
    name = "the doubler"

    async def method(self, number: int) -> int:
        return await double(number)

    async def __call__(self, number: int) -> int:
        return await double(number)


def marked(number: int) -> Any:
    return double(number)


if hasattr(inspect, "markcoroutinefunction"):
    inspect.markcoroutinefunction(marked)


class TestCall(OwnLoop):
    @pytest.mark.parametrize(
        "func",
        [
            double,
            Doubler().method,
            Doubler(),
            functools.partial(double),
            mock.AsyncMock(return_value=4),
            pytest.param(
                marked,
                marks=pytest.mark.skipif(
                    not hasattr(inspect, "markcoroutinefunction"), reason="Python 3.12 has it"
                ),
            ),
        ],
        ids=["function", "method", "object", "partial", "mock", "marked"],
    )
    def test_every_kind_is_awaited(self, func: Any) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                assert await handler.call(call, func, 2) == 4
                assert await handler.call(lambda run, n: run(n), n=2, run=func) == 4
                assert await handler.call(functools.partial(call, func, 2)) == 4
                assert (
                    await handler.call(functools.partial(lambda n, run: run(n), run=func), 2) == 4
                )
                assert await handler.call(func, 2) == 4

        run(main())

    def test_an_election(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                election = Election(handler)
                led: list[Any] = []

                async def lead(*args: Any, **kwargs: Any) -> None:
                    await asyncio.sleep(0.001)
                    assert election.leading
                    led.append((args, kwargs))

                await handler.call(election.run, lead, 1, b=2)
                assert led == [((1,), {"b": 2})]

        run(main())

    def test_it_runs_in_the_callers_task(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                async def look() -> Any:
                    before = asyncio.current_task()
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(0.001):
                            await asyncio.sleep(LONG)
                    with anyio.move_on_after(0.001) as scope:
                        async with anyio.create_task_group() as group:
                            group.start_soon(anyio.sleep_forever)
                    assert scope.cancelled_caught
                    assert asyncio.current_task() is before
                    return before

                def twice(func: Any) -> list[Any]:
                    first = func()
                    handler.sleep_func(0.001)
                    return [first, func(), asyncio.current_task()]

                assert await handler.call(twice, look) == [asyncio.current_task()] * 3

        run(main())

    def test_it_sees_the_context_of_the_function(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                async def look() -> tuple[str, str]:
                    before = CONTEXT.get()
                    await asyncio.sleep(0.001)
                    after = CONTEXT.get()
                    CONTEXT.set("the coroutine's")
                    return before, after

                def work(func: Any) -> Any:
                    seen = [func()]
                    CONTEXT.set("the function's")
                    handler.sleep_func(0)
                    seen += [func(), contextvars.copy_context().run(func)]
                    return [*seen, CONTEXT.get()]

                CONTEXT.set("the caller's")
                assert await handler.call(work, look) == [
                    ("the caller's",) * 2,
                    ("the function's",) * 2,
                    ("the function's",) * 2,
                    "the function's",
                ]
                assert CONTEXT.get() == "the caller's"

        run(main())

    def test_what_it_raises(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                async def fail(error: BaseException) -> None:
                    await asyncio.sleep(0)
                    raise error

                def catch(func: Any) -> str:
                    with pytest.raises(ValueError, match="planned"):
                        func(ValueError("as planned"))
                    handler.sleep_func(0.001)
                    return "caught"

                assert await handler.call(catch, fail) == "caught"
                for error in (KeyError("planned"), SystemExit("planned")):
                    with pytest.raises(type(error), match="planned"):
                        await handler.call(call, fail, error)

        run(main())

    def test_one_within_the_other(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                async def count_down(number: int) -> list[int]:
                    if number == 0:
                        return []
                    return [number, *await handler.call(call, count_down, number - 1)]

                assert await handler.call(call, count_down, 5) == [5, 4, 3, 2, 1]

        run(main())

    def test_an_awaited_one_may_call_many_times(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                def work(func: Any) -> int:
                    return sum(func(number) for number in range(5))

                tasks = [handler.call(work, double) for _ in range(10)]
                assert await asyncio.gather(*tasks) == [20] * 10

        run(main())


class TestCancellation(OwnLoop):
    def test_it_is_cancelled_and_the_function_cleans_up(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                for scoped in (False, True):
                    election = Election(handler)
                    led: list[str] = []

                    async def lead(election: Election = election, led: Any = led) -> None:
                        led.append("leading")
                        try:
                            await asyncio.sleep(LONG)
                        except asyncio.CancelledError:
                            assert election.leading
                            led.append("cancelled")
                            raise

                    if scoped:
                        with anyio.move_on_after(0.05) as scope:
                            await handler.call(election.run, lead)
                        assert scope.cancelled_caught
                    else:
                        task = asyncio.ensure_future(handler.call(election.run, lead))
                        while not led:
                            await asyncio.sleep(0)
                        while not task.done():
                            task.cancel()
                            await asyncio.sleep(0)
                        assert task.cancelled()
                    assert led in (["leading", "cancelled"], [])  # a busy machine may not lead
                    assert not election.leading

        run(main())

    def test_at_the_very_moment(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                begun: list[bool] = []

                async def begin() -> None:
                    begun.append(True)

                event = handler.event_object()

                def work(func: Any) -> None:
                    event.wait()
                    func()

                task = asyncio.ensure_future(handler.call(work, begin))
                await asyncio.sleep(0)
                event.set()
                await asyncio.sleep(0)  # the function wants it, and the coroutine is about to
                task.cancel("by the test")
                with pytest.raises(asyncio.CancelledError, match="by the test"):
                    await task
                assert not begun

        run(main())

    def test_one_that_cleans_up_is_not_disturbed(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                steps: list[Any] = []

                async def clean_up() -> None:
                    for _ in range(5):
                        await asyncio.sleep(0.001)
                    steps.append("cleaned up")

                def work(func: Any) -> None:
                    try:
                        handler.event_object().wait()
                    finally:
                        func()
                        steps.append("ended")

                class Manager:
                    def __init__(self, func: Any) -> None:
                        self._func = func

                    def __enter__(self) -> None:
                        pass

                    def __exit__(self, *_: object) -> None:
                        self._func()
                        steps.append("left")

                with anyio.move_on_after(0.001):
                    await handler.call(work, clean_up)
                assert steps == ["cleaned up", "ended"]
                steps.clear()
                with anyio.move_on_after(0.001):
                    async with handler.calling(await handler.call(Manager, clean_up)):
                        await anyio.sleep_forever()
                assert steps == ["cleaned up", "left"]

        run(main())

    def test_a_caller_that_nobody_goes_on_with(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                steps: list[str] = []

                async def wait() -> None:
                    try:
                        await asyncio.sleep(LONG)
                    finally:
                        steps.append("the coroutine is closed")

                def work(func: Any) -> None:
                    try:
                        func()
                    except greenlet.GreenletExit:
                        steps.append("the function has ended")
                        raise

                coroutine = handler.call(work, wait)
                coroutine.send(None)
                coroutine.close()
                while len(steps) < 2:
                    await asyncio.sleep(0)
                assert steps == ["the coroutine is closed", "the function has ended"]

        run(main())

    def test_nothing_is_left_of_it(self) -> None:
        async def fail() -> None:
            await asyncio.sleep(0)
            raise ValueError("planned")

        async def main() -> None:
            async with new_handler() as handler:
                for _ in range(10):
                    await handler.call(call, double, 1)
                    with pytest.raises(ValueError, match="planned"):
                        await handler.call(call, fail)
                    with pytest.raises(TimeoutError):
                        async with asyncio.timeout(0.001):
                            await handler.call(call, asyncio.sleep, LONG)

        def left() -> int:
            gc.collect()
            return sum(isinstance(each, (CallGreenlet, TaskGreenlet)) for each in gc.get_objects())

        before = left()
        run(main())
        assert left() == before


class TestElsewhere(OwnLoop):
    def test_in_a_callback(self) -> None:
        """A client keeps the function, and calls it later, as a watch."""

        async def main() -> None:
            handler = new_handler()
            handler.start()
            ran: list[Any] = []
            watches: list[Any] = []

            async def watch(event: str) -> str:
                await asyncio.sleep(0.001)
                ran.append(event)
                if event == "stop":  # a callback may stop its own handler
                    await handler.call(handler.stop)
                return f"seen: {event}"

            def fire(event: str) -> None:
                ran.append(watches[0](event))

            await handler.call(watches.append, watch)
            for event in ("change", "stop"):
                handler.dispatch_callback(Callback("test", fire, (event,)))
            while handler.running:
                await asyncio.sleep(0.001)
            await handler.call(handler.stop)
            assert ran == ["change", "seen: change", "stop", "seen: stop"]

        run(main())

    def test_in_a_link(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                ran: list[Any] = []

                async def link(result: Any) -> None:
                    await asyncio.sleep(0.001)
                    ran.append(result.value)

                for unlinked in (True, False):
                    result = handler.async_result()
                    await handler.call(result.link, link)
                    if unlinked:
                        result.unlink(link)
                    result.set(unlinked)
            assert ran == [False]

        run(main())

    def test_in_a_spawned_task(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                ran: list[Any] = []

                async def note(what: Any) -> None:
                    await asyncio.sleep(0.001)
                    ran.append(what)

                def work(func: Any) -> None:
                    func("by an argument")

                async with asyncio.timeout(LIMIT):
                    await handler.call(handler.spawn(note, "itself").join)
                    await handler.call(handler.spawn(work, note).join)
                    task = await handler.call(handler.spawn, note, what="by a call")
                    await handler.call(task.join)
                assert ran == ["itself", "by an argument", "by a call"]

        run(main())

    def test_in_another_thread(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                loop_thread = threading.get_ident()

                async def look() -> bool:
                    await asyncio.sleep(0.001)
                    return threading.get_ident() == loop_thread

                def work(func: Any) -> Any:
                    return self.os_thread(func).result(handler)

                assert await handler.call(work, look) is True

        run(main())

    def test_in_a_thread_without_a_loop(self) -> None:
        threads: list[str] = []

        async def look() -> None:
            await asyncio.sleep(0.001)
            threads.append(threading.current_thread().name)

        with new_handler() as handler:
            handler.spawn(look).join(LIMIT)
        assert threads == ["handler-core-asyncio"]

    def test_in_the_loop_itself(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                kept: list[Any] = []
                await handler.call(kept.append, double)
                with pytest.raises(RuntimeError, match=r"double is a coroutine .* may not wait"):
                    kept[0](1)
                await handler.call(lambda: kept.append(double))
                assert kept[1] is double
                assert await kept[1](1) == 2

        run(main())

    def test_a_loop_that_ends_meanwhile(self, caplog: pytest.LogCaptureFixture) -> None:
        """Asyncio cancels its tasks at the end, and none of them says a word."""
        complaints: list[Any] = []
        ended: list[str] = []

        async def main() -> None:
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: complaints.append(context))
            handler = new_handler()
            handler.start()
            begun: list[str] = []

            async def wait(name: str) -> None:
                begun.append(name)
                try:
                    await asyncio.sleep(LONG)
                finally:
                    ended.append(name)

            handler.spawn(wait, "a task")
            handler.spawn(call, wait, "a function in a task")
            handler.dispatch_callback(Callback("test", wait, ("a callback",)))
            result = handler.async_result()
            result.link(lambda result: wait(result.value))
            result.set("a link")
            while len(begun) < 4:
                await asyncio.sleep(0)

        run(main())
        gc.collect()
        assert sorted(ended) == ["a callback", "a function in a task", "a link", "a task"]
        assert complaints == []
        # asyncio warns of slow callbacks, on a busy machine.
        assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


class TestIdentity(OwnLoop):
    def handed_on(self, value: Any) -> Any:
        async def main() -> Any:
            return await new_handler().call(lambda value: value, value)

        return run(main())

    def test_it_is_equal_to_the_coroutine_function(self) -> None:
        doubler = Doubler()
        for func in (double, doubler.method, doubler):
            blocking = self.handed_on(func)
            assert blocking == func == blocking
            assert blocking == self.handed_on(func)
            assert blocking != marked
            assert {blocking} == {func}
            assert [func].index(blocking) == [blocking].index(func) == 0
            assert repr(blocking) == repr(func)
            assert copy.copy(blocking) == func
            assert not inspect.iscoroutinefunction(blocking)
        assert self.handed_on(double).__name__ == "double"
        assert self.handed_on(doubler).name == "the doubler"
        with pytest.raises(AttributeError):
            _ = self.handed_on(double).nothing

    def test_all_else_is_handed_on_as_it_is(self) -> None:
        def func() -> None: ...

        for value in (
            func,
            len,
            Doubler,
            [double],
            functools.partial(func),
            "text",
            lambda: double,
        ):
            assert self.handed_on(value) is value
