"""The nursery that ``async with handler`` opens, and the tasks of trio that live in it."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pytest
import trio
from handler_core_trio import SequentialTrioHandler
from own_trio import OwnTrio, new_handler, own_trio, raise_, run, with_handler

from handler_core import Callback
from handler_core.testing import LIMIT


class TestNursery(OwnTrio):
    def test_nothing_outlives_it(self) -> None:
        ended: list[str] = []

        async def main() -> None:
            before = trio.lowlevel.current_statistics().tasks_living
            async with new_handler() as handler:
                handler.spawn(lambda: (handler.sleep_func(0.01), ended.append("task")))
                handler.dispatch_callback(
                    Callback(
                        "test", lambda: (handler.sleep_func(0.01), ended.append("callback")), ()
                    )
                )
            assert sorted(ended) == ["callback", "task"]
            # What stays is the task of the hub, which all handlers share.
            assert trio.lowlevel.current_statistics().tasks_living <= before + 1

        run(main)

    def test_it_is_entered_again_but_not_meanwhile(self) -> None:
        async def main() -> None:
            handler = new_handler()
            for _ in range(2):
                async with handler:
                    with pytest.raises(RuntimeError, match="in an `async with` already"):
                        await handler.__aenter__()
                    assert await handler.call(len, "abc") == 3

        run(main)

    def test_a_client_has_its_life_there(self) -> None:
        called: list[str] = []

        class Client:
            def __init__(self, handler: SequentialTrioHandler) -> None:
                self.sleep = handler.sleep_func

            def start(self) -> None:
                self.sleep(0.001)
                called.append("start")

            def stop(self) -> None:
                self.sleep(0.001)
                called.append("stop")

            def close(self) -> None:
                self.sleep(0.001)
                called.append("close")

        async def main(handler: SequentialTrioHandler) -> None:
            with trio.CancelScope() as scope:
                async with handler.started(Client(handler)):
                    assert called == ["start"]
                    scope.cancel()
                    await trio.sleep_forever()
            assert called == ["start", "stop", "close"]

        with_handler(main)

    def test_what_a_task_raises_comes_out_in_a_group(self) -> None:
        cleaned_up: list[str] = []

        async def main() -> None:
            async with new_handler() as handler:

                def wait(name: str) -> None:
                    try:
                        handler.event_object().wait()
                    finally:
                        handler.sleep_func(0.001)
                        cleaned_up.append(name)

                def fail() -> None:
                    handler.sleep_func(0.01)
                    raise ValueError("as planned")

                handler.spawn(wait, "task")
                handler.spawn(fail)
                await handler.call(wait, "call")

        with pytest.raises(ExceptionGroup) as caught:
            run(main)
        assert [repr(error) for error in caught.value.exceptions] == ["ValueError('as planned')"]
        assert sorted(cleaned_up) == ["call", "task"]

    def test_what_the_body_raises_comes_out_as_it_is(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                handler.spawn(handler.sleep_func, LIMIT * 10)
                raise ValueError("as planned")

        with pytest.raises(ValueError, match="as planned"):
            run(main)

    def test_what_was_dispatched_runs_though_it_is_cancelled(self) -> None:
        ran: list[int] = []

        async def main() -> None:
            with trio.move_on_after(0.01) as scope:
                async with new_handler() as handler:
                    for number in range(10):
                        handler.dispatch_callback(
                            Callback(
                                "test",
                                lambda n: (handler.sleep_func(0.005), ran.append(n)),
                                (number,),
                            )
                        )
                    await trio.sleep_forever()
            assert scope.cancelled_caught

        run(main)
        assert ran == list(range(10))

    def test_tasks_of_other_threads_and_of_tasks(self) -> None:
        async def main() -> None:
            ended: list[str] = []
            async with new_handler() as handler:

                def outer() -> None:
                    handler.sleep_func(0.01)
                    handler.spawn(inner)

                def inner() -> None:
                    handler.sleep_func(0.01)
                    ended.append(threading.current_thread().name)

                await trio.to_thread.run_sync(handler.spawn, outer)
                handler.spawn(outer)
            assert ended == [threading.current_thread().name] * 2

        run(main)

    def test_it_may_be_entered_again(self) -> None:
        async def main() -> None:
            handler = new_handler()
            for _ in range(3):
                async with handler:
                    result = handler.async_result()
                    handler.dispatch_callback(Callback("test", result.set, (1,)))
                    assert await result == 1
                assert not handler.running

        run(main)

    def test_without_it_tasks_end_with_the_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ended: list[str] = []
        errors: list[Any] = []
        monkeypatch.setattr(threading, "excepthook", errors.append)
        handler = new_handler()

        async def main() -> None:
            handler.start()

            def wait(name: str) -> None:
                try:
                    handler.event_object().wait()
                finally:
                    handler.sleep_func(0.001)
                    ended.append(name)

            handler.spawn(wait, "task")
            handler.dispatch_callback(Callback("test", wait, ("callback",)))
            handler.spawn(raise_, ValueError("as planned"))
            await trio.testing.wait_all_tasks_blocked()

        run(main)
        assert sorted(ended) == ["callback", "task"]
        assert [error.exc_type for error in errors] == [ValueError]
        handler.stop()

    def test_an_exit_of_a_callback_ends_the_program(self) -> None:
        async def main(handler: Any) -> None:
            handler.dispatch_callback(Callback("test", raise_, (SystemExit(3),)))
            await trio.sleep_forever()

        with pytest.raises(BaseExceptionGroup) as caught:
            with_handler(main)
        assert caught.group_contains(SystemExit) if hasattr(caught, "group_contains") else True
        with contextlib.suppress(SystemExit):
            raise caught.value.exceptions[0]


@own_trio
def test_the_loop_of_the_model_is_trio_s() -> None:
    async def add(one: int, other: int) -> tuple[int, bool]:
        return one + other, trio.lowlevel.in_trio_task()

    assert new_handler().run_loop(add, 1, 2) == (3, True)
