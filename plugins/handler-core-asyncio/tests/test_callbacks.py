"""Callbacks that are coroutine functions."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest
from handler_core_asyncio import SequentialAsyncioHandler
from own_loop import OwnLoop, new_handler, raise_, run

from handler_core import Callback, get_handler


class TestCallbacks(OwnLoop):
    def test_coroutine_functions_are_awaited_in_order(self) -> None:
        async def main() -> None:
            ran: list[Any] = []

            async def note(what: Any) -> None:
                await asyncio.sleep(0.001)
                ran.append(what)

            async with new_handler() as handler:
                for number in range(3):
                    handler.dispatch_callback(Callback("test", note, (number,)))
                    handler.dispatch_callback(Callback("test", ran.append, (f"after {number}",)))
            assert ran == [0, "after 0", 1, "after 1", 2, "after 2"]
            ran.clear()

            async def note_value(result: Any) -> None:
                await note(result.value)

            async with handler:
                for number in range(3):
                    result = handler.async_result()
                    result.link(note_value)
                    result.set(number)
            assert ran == [0, 1, 2]

        run(main())

    def test_c3_stop_from_inside(self) -> None:
        async def main() -> None:
            ran: list[str] = []
            handler = new_handler()

            async def stop(*_: Any) -> None:
                await handler.call(handler.stop)
                handler.stop()
                ran.append("stopped")

            handler.start()
            handler.dispatch_callback(Callback("test", stop, ()))
            handler.dispatch_callback(Callback("test", ran.append, ("queued",)))
            await handler.call(handler.stop)
            assert ran == ["stopped", "queued"]
            handler.start()
            result = handler.async_result()
            result.link(stop)
            result.set()
            await handler.call(handler.stop)
            assert ran == ["stopped", "queued", "stopped"]

        run(main())

    def test_what_a_callback_has_started_is_no_callback(self) -> None:
        async def main() -> None:
            ran: list[str] = []
            started: list[asyncio.Task[None]] = []
            handler = new_handler()

            async def stop_later() -> None:
                await asyncio.sleep(0.01)
                handler.dispatch_callback(Callback("test", ran.append, ("queued",)))
                await handler.call(handler.stop)
                assert ran == ["queued"]
                ran.append("stopped")

            async def begin() -> None:
                started.append(asyncio.ensure_future(stop_later()))

            handler.start()
            handler.dispatch_callback(Callback("test", begin, ()))
            while not started:
                await asyncio.sleep(0)
            await started[0]
            assert ran == ["queued", "stopped"]

        run(main())

    def test_on_the_private_loop(self) -> None:
        ran = []

        async def note() -> None:
            await asyncio.sleep(0)
            ran.append(threading.current_thread().name)

        with new_handler() as handler:
            handler.dispatch_callback(Callback("test", note, ()))
        assert ran == ["handler-core-asyncio"]

    def test_a_coroutine_that_fails(self, caplog: pytest.LogCaptureFixture) -> None:
        async def fail() -> None:
            await asyncio.sleep(0)
            raise ValueError("as planned")

        async def main() -> None:
            async with new_handler() as handler:
                handler.dispatch_callback(Callback("test", fail, ()))
                handler.dispatch_callback(Callback("test", raise_, (asyncio.CancelledError(),)))

        with caplog.at_level(logging.ERROR, "handler_core"):
            run(main())
        errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
        assert [type(error) for error in errors] == [ValueError, asyncio.CancelledError]

    @pytest.mark.parametrize("way", ["dispatch", "link", "spawn"])
    @pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
    def test_c8_an_exit_ends_the_loop_once(self, way: str, kind: type[BaseException]) -> None:
        steps: list[str] = []

        async def leave(*_: object) -> None:
            await asyncio.sleep(0)
            raise kind

        async def main() -> None:
            async with new_handler() as handler:
                result = handler.async_result()
                result.link(leave)
                acts = {
                    "dispatch": lambda: handler.dispatch_callback(Callback("test", leave, ())),
                    "link": result.set,
                    "spawn": lambda: handler.spawn(leave),
                }
                acts[way]()
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    steps.append("the loop ends")
                    await handler.call(handler.sleep_func, 0.01)
                    steps.append("the clean-up goes on to its end")

        with pytest.raises(kind):
            run(main())
        assert steps == ["the loop ends", "the clean-up goes on to its end"]

    def test_a_link_that_is_set_while_stopped(self) -> None:
        async def main() -> None:
            linked = asyncio.Event()

            async def link(result: Any) -> None:
                await asyncio.sleep(0)
                linked.set()

            result = new_handler().async_result()
            result.link(link)
            result.set()
            await linked.wait()

        run(main())
        ran = []

        async def link(result: Any) -> None:
            await asyncio.sleep(0)
            ran.append(result.value)

        result = new_handler().async_result()
        result.link(link)
        result.set(1)  # in a thread without a loop, which waits for it
        assert ran == [1]

    def test_a_wrapper_is_around_the_whole_of_a_coroutine(self) -> None:
        from handler_core import hookimpl

        steps = []

        class Wrapper:
            @hookimpl(wrapper=True)
            def run_callback(self, callback: Any) -> Any:
                steps.append("before")
                try:
                    return (yield)
                finally:
                    steps.append("after")

        async def work() -> None:
            await asyncio.sleep(0)
            steps.append("work")

        async def main() -> None:
            handler = get_handler("asyncio", wrappers=[Wrapper()])
            assert isinstance(handler, SequentialAsyncioHandler)
            async with handler:
                handler.dispatch_callback(Callback("test", work, ()))

        run(main())
        assert steps == ["before", "work", "after"]
