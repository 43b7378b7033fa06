"""A blocking iterator in ``async for``, in a run of trio."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import trio
from own_trio import OwnTrio, with_handler


def items_of(handler: Any, noted: list[Any], count: int) -> Iterator[int]:
    try:
        for number in range(count):
            handler.sleep_func(0.001)
            yield number
        handler.event_object().wait(None if count > 10 else 0.001)
    except BaseException as error:
        noted.append(type(error))
        raise
    finally:
        handler.sleep_func(0.001)
        noted.append("left")


class TestIterating(OwnTrio):
    def test_the_items(self) -> None:
        async def main(handler: Any) -> None:
            noted: list[Any] = []
            for iterable in (items_of(handler, noted, 3), range(3)):
                assert [item async for item in handler.iterating(iterable)] == [0, 1, 2]
            assert noted == ["left"]

        with_handler(main)

    def test_a_cancellation_goes_into_the_iterator(self) -> None:
        async def main(handler: Any) -> None:
            noted: list[Any] = []
            got: list[int] = []
            with trio.CancelScope() as scope:
                async for item in handler.iterating(items_of(handler, noted, 11)):
                    got.append(item)
                    if item == 10:
                        trio.lowlevel.spawn_system_task(cancel_soon, scope)
            assert scope.cancelled_caught
            assert got == list(range(11))
            assert noted == [trio.Cancelled, "left"]

        with_handler(main)

    @pytest.mark.parametrize("where", ["break", "cancelled in the body"])
    def test_leaving_early_closes_a_generator(self, where: str) -> None:
        async def main(handler: Any) -> None:
            noted: list[Any] = []
            with trio.CancelScope() as scope:
                items = handler.iterating(items_of(handler, noted, 3))
                async with contextlib.aclosing(items):
                    async for _ in items:
                        if where == "break":
                            break
                        scope.cancel()
                        await trio.sleep_forever()
            assert noted == [GeneratorExit, "left"]

        with_handler(main)

    def test_a_call_of_next_at_the_end(self) -> None:
        async def main(handler: Any) -> None:
            with pytest.raises(RuntimeError, match=r"handler\.iterating\(iterator\)"):
                await handler.call(next, iter([]))

        with_handler(main)


async def cancel_soon(scope: trio.CancelScope) -> None:
    await trio.sleep(0.01)
    scope.cancel()
