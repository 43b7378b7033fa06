"""``async with handler.started(client)``: a client whose start, stop and close block."""

from __future__ import annotations

import asyncio
import contextlib

import greenlet
import pytest
from own_loop import OwnLoop, new_handler, own_loop, run

from handler_core import Handler


class Client:
    """Its methods wait until they are let through, and note where they were called."""

    def __init__(self, handler: Handler, *, fails: str = "", waits: str = "") -> None:
        self.handler = handler
        self.fails, self.waits = fails, waits
        self.called: list[str] = []
        self.greenlets: set[object] = set()
        self.reached = asyncio.Event()
        self.may_go = handler.async_result()

    def _call(self, name: str) -> None:
        self.greenlets.add(greenlet.getcurrent())
        self.called.append(name)
        self.handler.sleep_func(0)
        if name == self.waits:
            self.reached.set()
            self.may_go.get()
        if name == self.fails:
            raise OSError(name)
        self.called.append(f"{name} ended")

    def start(self) -> None:
        self._call("start")

    def stop(self) -> None:
        self._call("stop")

    def close(self) -> None:
        self._call("close")


WHOLE_LIFE = ["start", "start ended", "stop", "stop ended", "close", "close ended"]


class TestStarted(OwnLoop):
    def test_the_loop_runs_while_a_client_starts_and_ends(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                for waits in "start", "stop", "close":
                    client = Client(handler, waits=waits)

                    async def live(client: Client = client) -> None:
                        async with handler.started(client) as given:
                            assert given is client
                            assert client.called == WHOLE_LIFE[:2]

                    task = asyncio.create_task(live())
                    await client.reached.wait()
                    assert not task.done()
                    client.may_go.set()
                    await task
                    assert client.called == WHOLE_LIFE

        run(main())

    def test_one_greenlet_starts_and_ends_it(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                client = Client(handler)
                async with handler.started(client):
                    pass
                assert len(client.greenlets) == 1

        run(main())

    def test_a_client_that_does_not_start_is_ended(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                client = Client(handler, fails="start")
                with pytest.raises(OSError, match="start"):
                    async with handler.started(client):
                        pytest.fail("the block ran")
                assert client.called == ["start", *WHOLE_LIFE[2:]]

        run(main())

    def test_it_is_closed_though_its_stop_fails(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                client = Client(handler, fails="stop")
                with pytest.raises(OSError, match="stop"):
                    async with handler.started(client):
                        pass
                assert client.called[2:] == ["stop", "close", "close ended"]

        run(main())

    @pytest.mark.parametrize("when", ["start", "stop", "close"])
    def test_a_cancellation_ends_it_in_full(self, when: str) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                client = Client(handler, waits=when)

                async def live() -> None:
                    async with handler.started(client):
                        pass

                task = asyncio.create_task(live())
                await client.reached.wait()
                task.cancel()
                for _ in range(10):
                    await asyncio.sleep(0)
                client.may_go.set()
                with pytest.raises(asyncio.CancelledError):
                    await task
                if when == "start":
                    assert client.called == ["start", *WHOLE_LIFE[2:]]
                else:
                    assert client.called == WHOLE_LIFE

        run(main())

    def test_an_exception_in_the_block_goes_on(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                client = Client(handler)
                with pytest.raises(ZeroDivisionError):
                    async with handler.started(client):
                        raise ZeroDivisionError
                assert client.called == WHOLE_LIFE

        run(main())

    def test_a_cancelled_task_is_cancelled_though_the_client_does_not_end_well(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                client = Client(handler, waits="start", fails="stop")
                task = asyncio.create_task(handler.started(client).__aenter__())
                await client.reached.wait()
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled()
                assert client.called == ["start", "stop", "close", "close ended"]

        run(main())

    def test_it_is_not_entered_meanwhile(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                client = Client(handler)
                life = handler.started(client)
                for _ in range(2):
                    async with life:
                        with pytest.raises(RuntimeError, match="not ended it"):
                            await life.__aenter__()
                assert client.called == WHOLE_LIFE * 2

        run(main())

    def test_calling_is_entered_once(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                context = handler.calling(contextlib.nullcontext(1))
                async with context as number:
                    assert number == 1
                    with pytest.raises(RuntimeError, match="entered already"):
                        await context.__aenter__()
                with pytest.raises(RuntimeError, match="entered already"):
                    await context.__aenter__()

        run(main())

    def test_in_a_coroutine_with_needs_async(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                life = handler.started(Client(handler, waits="start"))
                with pytest.raises(RuntimeError, match=r"await handler\.call"):
                    life.__enter__()

        run(main())


@own_loop
def test_the_loop_of_the_model_is_asyncio_s() -> None:
    async def add(one: int, other: int) -> tuple[int, str]:
        return one + other, type(asyncio.get_running_loop()).__module__

    total, module = new_handler().run_loop(add, 1, 2)
    assert total == 3
    assert module.startswith("asyncio")
