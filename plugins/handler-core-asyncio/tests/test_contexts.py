"""Callbacks and links see the context variables of the coroutine that dispatched or linked them."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

from own_loop import OwnLoop, new_handler, run

from handler_core import Callback

REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("REQUEST", default="none")


class TestContexts(OwnLoop):
    def test_each_callback_belongs_to_its_request(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                async def serve(name: str) -> None:
                    REQUEST.set(name)
                    results = [handler.async_result() for _ in range(4)]
                    dispatched, awaited, linked, awaiting = results

                    async def look(result: Any) -> None:
                        await asyncio.sleep(0)
                        result.set(REQUEST.get())

                    async def look_after(_: Any) -> None:
                        await look(awaiting)

                    handler.dispatch_callback(
                        Callback("request", lambda: dispatched.set(REQUEST.get()), ())
                    )
                    handler.dispatch_callback(Callback("request", look, (awaited,)))
                    dispatched.link(lambda _: linked.set(REQUEST.get()))
                    dispatched.link(look_after)
                    assert [await result for result in results] == [name] * 4

                await asyncio.gather(*(serve(name) for name in "ABC"))

        run(main())

    def test_what_a_callback_changes_is_its_own(self) -> None:
        async def main() -> None:
            seen: list[str] = []

            async def change(name: str) -> None:
                seen.append(REQUEST.get())
                REQUEST.set(name)
                await asyncio.sleep(0)
                seen.append(REQUEST.get())

            REQUEST.set("request")
            async with new_handler() as handler:
                for name in "AB":
                    handler.dispatch_callback(Callback("request", change, (name,)))
            assert seen == ["request", "A", "request", "B"]
            assert REQUEST.get() == "request"

        run(main())

    def test_a_link_on_a_result_that_another_thread_sets(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                result, seen = handler.async_result(), handler.async_result()
                REQUEST.set("linking")
                result.link(lambda _: seen.set(REQUEST.get()))
                REQUEST.set("later")

                def set_result() -> None:
                    REQUEST.set("setting")
                    result.set()

                await asyncio.to_thread(set_result)
                assert await seen == "linking"

        run(main())

    def test_a_callback_of_a_callback(self) -> None:
        """It is dispatched by the callback, and belongs to the same request."""

        async def main() -> None:
            async with new_handler() as handler:
                seen = handler.async_result()

                def first() -> None:
                    handler.dispatch_callback(
                        Callback("inner", lambda: seen.set(REQUEST.get()), ())
                    )

                REQUEST.set("request")
                handler.dispatch_callback(Callback("outer", first, ()))
                REQUEST.set("later")
                assert await seen == "request"

        run(main())
