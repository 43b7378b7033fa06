"""Under anyio a cancelled scope cancels again at every wait. Still, what cleans up finishes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any

import anyio
import httpx
import pytest
import uvicorn
from handler_core_asyncio import SequentialAsyncioHandler
from own_loop import OwnLoop, new_handler, run
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from handler_core import Callback
from handler_core.testing import LIMIT


class SlowLock:
    """Waits as it is taken and as it is released, as a lock on a server does."""

    def __init__(self, handler: SequentialAsyncioHandler) -> None:
        self._handler = handler
        self.held = False
        self.failing: Exception | None = None

    def wait(self) -> None:
        for _ in range(3):
            self._handler.sleep_func(0.001)

    def __enter__(self) -> None:
        self.held = True
        try:
            self.wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.wait()
        self.held = False
        if self.failing is not None:
            raise self.failing


def in_finally(wait: Callable[[], None], clean_up: Callable[[], None]) -> None:
    try:
        wait()
    finally:
        clean_up()


def in_except(wait: Callable[[], None], clean_up: Callable[[], None]) -> None:
    try:
        wait()
    except BaseException:
        clean_up()
        raise


def in_except_as_another(wait: Callable[[], None], clean_up: Callable[[], None]) -> None:
    try:
        try:
            wait()
        except BaseException:
            raise KeyError from None
    except KeyError:
        clean_up()
        raise


def in_generator(wait: Callable[[], None], clean_up: Callable[[], None]) -> None:
    @contextlib.contextmanager
    def manager() -> Any:
        try:
            yield
        finally:
            clean_up()

    with manager():
        wait()


def in_exit_stack(wait: Callable[[], None], clean_up: Callable[[], None]) -> None:
    with contextlib.ExitStack() as stack:
        stack.callback(clean_up)
        wait()


class TestScopes(OwnLoop):
    def test_a_lock_is_released(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                lock = SlowLock(handler)
                with anyio.move_on_after(0.01) as scope:
                    async with handler.calling(lock):
                        await anyio.sleep_forever()
                assert scope.cancelled_caught
                assert not lock.held

        run(main())

    def test_a_lock_that_is_being_taken_is_not_held_afterwards(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                lock = SlowLock(handler)
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    async with handler.calling(lock):
                        pytest.fail("it is cancelled")
                assert scope.cancelled_caught
                assert not lock.held

        run(main())

    def test_the_cancellation_is_raised_after_the_exit(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                lock = SlowLock(handler)
                with anyio.CancelScope() as scope:
                    async with handler.calling(lock):
                        scope.cancel()  # the body does not wait, so only the exit hears of it
                    pytest.fail("it is cancelled")
                assert scope.cancelled_caught
                assert not lock.held

        run(main())

    def test_a_task_group_that_fails(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                locks = [SlowLock(handler) for _ in range(5)]

                async def hold(lock: SlowLock) -> None:
                    async with handler.calling(lock):
                        await anyio.sleep_forever()

                async def hold_all() -> None:
                    async with anyio.create_task_group() as group:
                        for lock in locks:
                            group.start_soon(hold, lock)
                        while not all(lock.held for lock in locks):
                            await anyio.sleep(0.001)
                        raise ValueError("as planned")

                with pytest.raises(ExceptionGroup) as caught:
                    await hold_all()
                assert [str(error) for error in caught.value.exceptions] == ["as planned"]
                assert not any(lock.held for lock in locks)

        run(main())

    @pytest.mark.parametrize(
        "way", [in_finally, in_except, in_except_as_another, in_generator, in_exit_stack]
    )
    def test_a_function_cleans_up(self, way: Callable[..., None]) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                cleaned_up = []

                def clean_up() -> None:
                    for _ in range(3):
                        handler.sleep_func(0.001)
                    cleaned_up.append(True)

                with anyio.move_on_after(0.01) as scope:
                    await handler.call(way, handler.event_object().wait, clean_up)
                assert scope.cancelled_caught
                assert cleaned_up == [True]

        run(main())

    def test_a_function_that_goes_on_is_cancelled_again(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                cancelled = 0

                def work() -> None:
                    nonlocal cancelled
                    for _ in range(3):
                        try:
                            handler.event_object().wait()
                        except asyncio.CancelledError:
                            cancelled += 1
                            handler.sleep_func(0.001)

                with anyio.move_on_after(0.001) as scope:
                    await handler.call(work)
                assert cancelled == 3
                assert scope.cancelled_caught or scope.cancel_called

        run(main())

    def test_a_handler_is_stopped(self) -> None:
        async def main() -> None:
            ran: list[int] = []
            handler = new_handler()
            with anyio.CancelScope() as scope:
                async with handler:
                    for number in range(3):
                        for call in (handler.sleep_func, ran.append):
                            handler.dispatch_callback(Callback("test", call, (number / 1000,)))
                    scope.cancel()
            assert ran == [0, 0.001, 0.002]
            assert not handler.running

        run(main())


class TestStarlette(OwnLoop):
    def test_a_client_that_goes_away(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                lock = SlowLock(handler)

                async def body() -> AsyncIterator[bytes]:
                    async with handler.calling(lock):
                        yield b"held"
                        await anyio.sleep_forever()

                async def hold(_: Request) -> StreamingResponse:
                    return StreamingResponse(body())

                async with served(Starlette(routes=[Route("/", hold)])) as url:
                    for _ in range(3):
                        async with (
                            httpx.AsyncClient(trust_env=False, timeout=LIMIT) as client,
                            client.stream("GET", url) as answer,
                        ):
                            chunks = answer.aiter_raw()
                            assert await anext(chunks) == b"held"
                            assert lock.held
                        while lock.held:
                            await asyncio.sleep(0.001)

        run(main())


@contextlib.asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    """Serve an application by uvicorn, in this loop."""
    web = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    web.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.ensure_future(web.serve([listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        web.should_exit = True
        await serving
