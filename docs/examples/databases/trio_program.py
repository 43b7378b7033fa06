"""The shop on trio: it serves many orders at a time, in one thread, until SIGTERM ends it."""

import signal
import threading
import time
from collections.abc import Callable

import trio
from shop import Shop

from handler_core import Handler, get_handler


class Ticker:
    """A task that shows that the loop never stands still."""

    longest = 0.0

    async def run(self) -> None:
        while True:
            before = time.perf_counter()
            await trio.sleep(0.005)
            self.longest = max(self.longest, time.perf_counter() - before)


async def serve(handler: Handler, shop: Shop) -> None:
    """Serve all orders that came in, at the same time."""
    async with trio.open_nursery() as nursery:
        for number in shop.next_orders():
            nursery.start_soon(handler.call, shop.serve, number)


async def give_up(handler: Handler, query: Callable[[], object], given_up: list[bool]) -> None:
    """Cancel a query that takes too long, and note whether it did."""
    with trio.move_on_after(0.3) as limit:
        await handler.call(query)
    given_up.append(limit.cancelled_caught)


async def wait_for_the_end(told_to_end: trio.Event) -> None:
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async for _ in signals:
            told_to_end.set()


async def main() -> None:
    told_to_end = trio.Event()
    ticker = Ticker()
    async with trio.open_nursery() as background, get_handler("trio") as handler:
        background.start_soon(wait_for_the_end, told_to_end)
        background.start_soon(ticker.run)
        shop = Shop(handler)
        await handler.call(shop.open)
        await serve(handler, shop)
        shop.say_where_prices_came_from()
        await serve(handler, shop)
        shop.say_where_prices_came_from()

        given_up: list[bool] = []
        async with trio.open_nursery() as nursery:
            for query in shop.slow_queries():
                nursery.start_soon(give_up, handler, query, given_up)
        print(f"{sum(given_up)} slow queries given up", flush=True)
        await serve(handler, shop)
        shop.say_where_prices_came_from()

        while not told_to_end.is_set():
            await serve(handler, shop)
            shop.say_who_is_back()
            await trio.sleep(0.02)
        await handler.call(shop.say_what_was_done)
        await handler.call(shop.close)
        print(f"a pause of 0.005 s took {ticker.longest:.3f} s at the most")
        print("threads:", ", ".join(thread.name for thread in threading.enumerate()))
        background.cancel_scope.cancel()


trio.run(main)
