"""Look-ups that nobody waits for any more, and loops that end before their look-ups do."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import greenlet
import pytest
from handler_core_asyncio import SequentialAsyncioHandler
from handler_core_greenlet import TaskGreenlet
from own_loop import OwnLoop, new_handler, run

from handler_core import Callback
from handler_core.testing import LIMIT

ADDRESS = ("slow.invalid", 2181)


class SlowResolver:
    """The resolver of a loop. It answers when it is told to, in a thread, as the system's does."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.may_answer = threading.Event()

    async def getaddrinfo(self, *_: Any, **__: Any) -> list[Any]:
        self.begun.set()
        try:
            answer = asyncio.get_running_loop().run_in_executor(None, self._answer)
            return await answer
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    def _answer(self) -> list[Any]:
        assert self.may_answer.wait(LIMIT)
        raise OSError("nobody wants to know")


def task_greenlets() -> int:
    gc.collect()
    return sum(isinstance(each, TaskGreenlet) for each in gc.get_objects())


class TestLookUps(OwnLoop):
    @pytest.fixture
    def complaints(self, caplog: pytest.LogCaptureFixture) -> Iterator[list[Any]]:
        """What the loop complains of, and what is logged, by anyone."""
        complaints: list[Any] = []
        yield complaints
        gc.collect()
        assert complaints == []
        # asyncio warns of slow callbacks, on a busy machine.
        assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []

    def listen(self, complaints: list[Any]) -> SlowResolver:
        loop: Any = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        resolver = SlowResolver()
        loop.getaddrinfo = resolver.getaddrinfo
        return resolver

    def test_one_that_takes_too_long_is_cancelled(self, complaints: list[Any]) -> None:
        async def main() -> None:
            resolver = self.listen(complaints)
            async with new_handler() as handler:
                timeout = 0.01
                while not resolver.begun.is_set():  # on a busy machine it may not get that far
                    timeout *= 2
                    with pytest.raises(TimeoutError):
                        await handler.call(handler.create_connection, ADDRESS, timeout)
                await resolver.cancelled.wait()
                resolver.may_answer.set()

        before = task_greenlets()
        run(main())
        assert task_greenlets() == before

    def test_one_whose_caller_is_cancelled_is_cancelled(self, complaints: list[Any]) -> None:
        async def main() -> None:
            resolver = self.listen(complaints)
            async with new_handler() as handler:
                connecting = asyncio.ensure_future(handler.call(handler.create_connection, ADDRESS))
                await resolver.begun.wait()
                connecting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await connecting
                await resolver.cancelled.wait()
                resolver.may_answer.set()

        before = task_greenlets()
        run(main())
        assert task_greenlets() == before

    @pytest.mark.parametrize("where", ["call", "callback", "task", "look-up in a task"])
    def test_one_that_outlasts_the_loop(self, complaints: list[Any], where: str) -> None:
        ran: list[str] = []

        def connect(handler: SequentialAsyncioHandler) -> None:
            try:
                handler.create_connection(ADDRESS, LIMIT)
            finally:
                ran.append("it goes on")

        async def main() -> None:
            resolver = self.listen(complaints)
            handler = new_handler()
            handler.start()
            begin: dict[str, Callable[[], object]] = {
                "call": lambda: asyncio.ensure_future(handler.call(connect, handler)),
                "callback": lambda: handler.dispatch_callback(
                    Callback("test", connect, (handler,))
                ),
                "task": lambda: handler.spawn(connect, handler),
                "look-up in a task": lambda: handler.spawn(
                    handler.socket_module.getaddrinfo, *ADDRESS
                ),
            }
            begun = begin[where]()
            await resolver.begun.wait()
            del begun
            # asyncio waits for the thread of the look-up, after it has cancelled all tasks.
            threading.Timer(0.05, resolver.may_answer.set).start()

        run(main())
        # asyncio cancels its tasks at the end. The others are never resumed.
        assert ran == ["it goes on"] * (where == "call")

    def test_a_loop_is_closed_without_a_shutdown(self, complaints: list[Any]) -> None:
        async def main() -> SlowResolver:
            resolver = self.listen(complaints)
            handler = new_handler()
            handler.start()
            handler.spawn(handler.create_connection, ADDRESS, LIMIT)
            await resolver.begun.wait()
            return resolver

        loop = (OwnLoop.new_loop or asyncio.new_event_loop)()
        resolver = loop.run_until_complete(main())
        loop.close()
        resolver.may_answer.set()

    def test_a_greenlet_of_somebody_else_is_refused_and_left_alone(
        self, complaints: list[Any]
    ) -> None:
        async def main() -> None:
            resolver = self.listen(complaints)
            async with new_handler() as handler:

                def connect() -> object:
                    with pytest.raises(RuntimeError, match=r"await handler\.call\("):
                        handler.create_connection(ADDRESS, LIMIT)
                    return greenlet.getcurrent().parent.switch()

                other = greenlet.greenlet(connect)
                other.switch()
                for _ in range(5):
                    await asyncio.sleep(0)
                assert not other.dead
                assert other.switch("ours") == "ours"
                assert not resolver.begun.is_set()

        run(main())

    def test_it_is_no_task_of_the_program(self, complaints: list[Any]) -> None:
        async def main() -> None:
            resolver = self.listen(complaints)
            async with new_handler() as handler:
                task = handler.spawn(handler.socket_module.getaddrinfo, *ADDRESS)
                await resolver.begun.wait()
                me = asyncio.current_task()
                for each in asyncio.all_tasks():
                    if each is not me and "limited" not in repr(each):
                        each.cancel()
                await asyncio.sleep(0.001)
                assert task.is_alive()
                assert not resolver.cancelled.is_set()
                resolver.may_answer.set()
                await handler.call(task.join)
            assert [type(each["exception"]) for each in complaints] == [OSError]
            complaints.clear()

        run(main())
