"""A blocking iterator in ``async for``."""

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
from handler_core_greenlet import TaskGreenlet
from own_loop import OwnLoop, new_handler, run


class Source:
    """Makes generators that wait, and notes what happens to them."""

    def __init__(self, handler: Any) -> None:
        self.handler = handler
        self.noted: list[Any] = []

    def items(self, count: int) -> Iterator[int]:
        try:
            for number in range(count):
                self.handler.sleep_func(0.001)
                yield number
            if count > 10:
                self.handler.event_object().wait()
        except BaseException as error:
            self.noted.append(type(error))
            raise
        finally:
            self.handler.sleep_func(0.001)
            self.noted.append("left")


class TestIterating(OwnLoop):
    def test_the_items_of_any_iterable(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                source = Source(handler)
                for iterable in (source.items(3), range(3), iter([0, 1, 2]), {0: 0, 1: 0, 2: 0}):
                    assert [item async for item in handler.iterating(iterable)] == [0, 1, 2]
                assert [item async for item in handler.iterating([])] == []
                assert [item async for item in handler.iterating([None, None])] == [None, None]
                assert source.noted == ["left"]

        run(main())

    def test_the_loop_goes_on_and_there_is_one_greenlet(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                result, greenlets = handler.async_result(), set()
                threads = threading.active_count()

                def wait() -> Iterator[Any]:
                    greenlets.add(greenlet.getcurrent())
                    yield 1
                    greenlets.add(greenlet.getcurrent())
                    yield result.get()

                asyncio.get_running_loop().call_later(0.01, result.set, 2)
                assert [item async for item in handler.iterating(wait())] == [1, 2]
                assert len(greenlets) == 1
                assert threading.active_count() == threads

        run(main())

    def test_a_cancellation_goes_into_the_iterator(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                source, got = Source(handler), []

                async def follow() -> None:
                    async for item in handler.iterating(source.items(11)):
                        got.append(item)  # noqa: PERF401 - while it goes on

                task = asyncio.ensure_future(follow())
                while len(got) < 11:
                    await asyncio.sleep(0.001)
                await asyncio.sleep(0.001)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert source.noted == [asyncio.CancelledError, "left"]

        run(main())

    def test_a_cancellation_in_the_body(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                source = Source(handler)

                async def follow() -> None:
                    async with contextlib.aclosing(handler.iterating(source.items(3))) as items:
                        async for _ in items:
                            await asyncio.sleep(3600)

                task = asyncio.ensure_future(follow())
                await asyncio.sleep(0.05)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert source.noted == [GeneratorExit, "left"]

        run(main())

    @pytest.mark.parametrize("closing", [True, False])
    def test_a_break_closes_a_generator(self, closing: bool) -> None:
        """At once with ``aclosing``; or else when nobody refers to it any more."""

        async def main() -> None:
            async with new_handler() as handler:
                source = Source(handler)

                async def follow() -> None:
                    items = handler.iterating(source.items(3))
                    async with contextlib.aclosing(items) if closing else contextlib.nullcontext():
                        async for _ in items:
                            break

                await follow()
                if not closing:
                    gc.collect()
                    while "left" not in source.noted:
                        await asyncio.sleep(0.001)
                assert source.noted == [GeneratorExit, "left"]

        run(main())

    def test_no_greenlet_is_left(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                def broken() -> Iterator[int]:
                    yield 1
                    raise ValueError("as planned")

                def alive() -> int:
                    gc.collect()
                    return sum(type(each) is TaskGreenlet for each in gc.get_objects())

                before = alive()
                for _ in range(10):
                    handler.iterating([1])
                    assert [item async for item in handler.iterating([1])] == [1]
                    with pytest.raises(ValueError, match="as planned"):
                        [item async for item in handler.iterating(broken())]
                    async with contextlib.aclosing(handler.iterating([1, 2])) as items:
                        async for _ in items:
                            break
                assert alive() <= before + 1

        run(main())

    def test_it_sees_the_variables_of_the_first_task_that_asks(self) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

        def values() -> Iterator[str]:
            yield variable.get()
            yield variable.get()
            variable.set("the iterator's")
            yield variable.get()

        async def main() -> None:
            async with new_handler() as handler:
                variable.set("the caller's")
                items = handler.iterating(values())

                async def ask(value: str) -> tuple[str, str]:
                    variable.set(value)
                    return await anext(items), variable.get()

                async with contextlib.aclosing(items):
                    seen = [await asyncio.create_task(ask(value)) for value in ("1", "2", "3")]
                assert seen == [("1", "1"), ("1", "2"), ("the iterator's", "3")]

        run(main())

    def test_what_it_raises(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                def broken() -> Iterator[int]:
                    yield 1
                    raise ZeroDivisionError("as planned")

                items = handler.iterating(broken())
                assert await anext(items) == 1
                with pytest.raises(ZeroDivisionError, match="as planned"):
                    await anext(items)
                with pytest.raises(StopAsyncIteration):
                    await anext(items)
                with pytest.raises(TypeError, match=r"iterating\(\) takes an iterable, not 1"):
                    handler.iterating(1)  # type: ignore[arg-type]
                asynchronous: Any = handler.iterating([1])
                with pytest.raises(TypeError, match=r"`async for` without iterating\(\)"):
                    handler.iterating(asynchronous)

        run(main())

    def test_a_call_of_next_at_the_end(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                iterator = iter([1])
                assert await handler.call(next, iterator) == 1
                with pytest.raises(RuntimeError, match=r"handler\.iterating\(iterator\)") as caught:
                    await handler.call(next, iterator)
                assert isinstance(caught.value.__cause__, StopIteration)
                assert await handler.call(next, iterator, None) is None

        run(main())
