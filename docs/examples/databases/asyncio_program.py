"""The shop on asyncio: it serves many orders at a time, in one thread, until SIGTERM ends it."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable

from shop import Shop

from handler_core import Handler, get_handler


class Ticker:
    """A task that shows that the loop never stands still."""

    longest = 0.0

    async def run(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.005)
            self.longest = max(self.longest, time.perf_counter() - before)


async def serve(handler: Handler, shop: Shop) -> None:
    """Serve all orders that came in, at the same time."""
    await asyncio.gather(*(handler.call(shop.serve, number) for number in shop.next_orders()))


async def is_given_up(handler: Handler, query: Callable[[], object]) -> bool:
    """Return True if a query took too long, and was cancelled."""
    try:
        async with asyncio.timeout(0.3):
            await handler.call(query)
    except TimeoutError:
        return True
    return False


async def main() -> None:
    told_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_end.set)
    ticker = Ticker()
    ticking = asyncio.create_task(ticker.run())
    async with get_handler("asyncio") as handler:
        shop = Shop(handler)
        await handler.call(shop.open)
        await serve(handler, shop)
        shop.say_where_prices_came_from()
        await serve(handler, shop)
        shop.say_where_prices_came_from()

        given_up = await asyncio.gather(*(is_given_up(handler, q) for q in shop.slow_queries()))
        print(f"{sum(given_up)} slow queries given up", flush=True)
        await serve(handler, shop)
        shop.say_where_prices_came_from()

        while not told_to_end.is_set():
            await serve(handler, shop)
            shop.say_who_is_back()
            await asyncio.sleep(0.02)
        await handler.call(shop.say_what_was_done)
        await handler.call(shop.close)
        print(f"a pause of 0.005 s took {ticker.longest:.3f} s at the most")
        print("threads:", ", ".join(thread.name for thread in threading.enumerate()))
    ticking.cancel()


asyncio.run(main())
