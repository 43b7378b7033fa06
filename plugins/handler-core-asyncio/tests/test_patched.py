"""A loop in a process that gevent or eventlet has patched before anything else."""

from __future__ import annotations

import pytest
from own_loop import own_loop
from test_choice import HUBS, printed_by

pytestmark = own_loop

PATCHED = [hub for hub in HUBS if hub.endswith(" patched")]


@pytest.mark.parametrize("hub", PATCHED)
def test_the_loop_and_its_greenlets_go_on(hub: str) -> None:
    printed = printed_by(
        HUBS[hub],
        """
        import asyncio, queue, threading, time
        from handler_core import get_handler

        async def main():
            ticks = []

            async def tick():
                while True:
                    await asyncio.sleep(0.001)
                    ticks.append(1)

            ticking = asyncio.create_task(tick())
            handler = get_handler()
            async with handler:
                def until(count):
                    while len(ticks) < count:
                        handler.sleep_func(0.001)

                await handler.call(until, 20)
                one, other = handler.create_socket_pair()
                one.send(b"x")
                print(handler.name, await handler.call(other.recv, 1))

                # What a sibling greenlet sets wakes the loop.
                result = handler.callback_object()
                ticking.cancel()
                spawn(result.set, "from a sibling")
                print(await result)
                result = handler.callback_object()
                spawn(result.set, "to a greenlet")
                print(await handler.call(result.get))

                # A function may wait in the library that has patched the process, too.
                print(await handler.call(lambda: getattr(spawn(lambda: "green"), join)()))
                await handler.call(time.sleep, 0.001)

                dispatched = queue.SimpleQueue()
                handler.spawn(dispatched.put, "spawned")
                while dispatched.empty():
                    await asyncio.sleep(0.001)
                print(dispatched.get())

        asyncio.run(main())
        """,
    )
    lines = ["asyncio b'x'", "from a sibling", "to a greenlet", "green", "spawned"]
    assert printed.splitlines() == lines


@pytest.mark.parametrize("hub", PATCHED)
def test_a_start_without_a_loop_is_refused(hub: str) -> None:
    printed = printed_by(
        HUBS[hub],
        """
        from handler_core import get_handler

        handler = get_handler("asyncio")
        for use in (handler.start, lambda: handler.spawn(print)):
            try:
                use()
            except RuntimeError as error:
                print(error)
        """,
    )
    assert printed.count("this process is patched: choose the model that runs the caller") == 2
