"""The shop on gevent: it serves many orders at a time, in one thread, until SIGTERM ends it.

Nothing is patched.
"""

import signal
import threading
import time
from collections.abc import Callable

import gevent
from gevent.event import Event
from shop import Shop

from handler_core import get_handler


class Ticker:
    """A greenlet that shows that the hub never stands still."""

    longest = 0.0

    def run(self) -> None:
        while True:
            before = time.perf_counter()
            gevent.sleep(0.005)
            self.longest = max(self.longest, time.perf_counter() - before)


def serve(shop: Shop) -> None:
    """Serve all orders that came in, at the same time."""
    orders = [gevent.spawn(shop.serve, number) for number in shop.next_orders()]
    gevent.joinall(orders, raise_error=True)


def is_given_up(query: Callable[[], object]) -> bool:
    """Return True if a query took too long, and was cancelled."""
    try:
        with gevent.Timeout(0.3):
            query()
    except gevent.Timeout:
        return True
    return False


def main() -> None:
    told_to_end = Event()
    gevent.signal_handler(signal.SIGTERM, told_to_end.set)
    ticker = Ticker()
    ticking = gevent.spawn(ticker.run)
    with get_handler("gevent") as handler:
        shop = Shop(handler)
        shop.open()
        serve(shop)
        shop.say_where_prices_came_from()
        serve(shop)
        shop.say_where_prices_came_from()

        queries = [gevent.spawn(is_given_up, query) for query in shop.slow_queries()]
        given_up = [query.get() for query in queries]
        print(f"{sum(given_up)} slow queries given up", flush=True)
        serve(shop)
        shop.say_where_prices_came_from()

        while not told_to_end.is_set():
            serve(shop)
            shop.say_who_is_back()
            gevent.sleep(0.02)
        shop.say_what_was_done()
        shop.close()
        print(f"a pause of 0.005 s took {ticker.longest:.3f} s at the most")
        print("threads:", ", ".join(thread.name for thread in threading.enumerate()))
    ticking.kill()


main()
