"""What a handler of ``signal.signal`` does for coroutines that wait, while the loop sleeps."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from own_loop import OwnLoop, new_handler, run

from handler_core import Callback


@contextlib.contextmanager
def interrupted_by(func: Callable[[], object], interval: float = 0) -> Iterator[None]:
    """Have a signal handler call ``func`` in a moment, and then in each interval."""
    previous = signal.signal(signal.SIGUSR1, lambda *_: func())
    alarm = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGUSR1))
    signal.setitimer(signal.ITIMER_REAL, 0.01, interval)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, alarm)
        signal.signal(signal.SIGUSR1, previous)


class TestSignals(OwnLoop):
    @pytest.mark.parametrize("act", ["set", "fail", "dispatch", "spawn", "link"])
    def test_a_coroutine_awaits_a_result(self, act: str) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                result = handler.async_result()
                first = handler.async_result()
                first.link(lambda _: result.set(1))
                acts: dict[str, Callable[[], object]] = {
                    "set": lambda: result.set(1),
                    "fail": lambda: result.set_exception(ValueError("as planned")),
                    "dispatch": lambda: handler.dispatch_callback(
                        Callback("signal", result.set, (1,))
                    ),
                    "spawn": lambda: handler.spawn(result.set, 1),
                    "link": first.set,
                }
                with interrupted_by(acts[act]):
                    if act == "fail":
                        with pytest.raises(ValueError, match="as planned"):
                            await result
                    else:
                        assert await result == 1

        run(main())

    def test_a_called_function_waits_for_an_event(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                event = handler.event_object()
                with interrupted_by(event.set):
                    assert await handler.call(event.wait)

        run(main())

    def test_it_interrupts_a_busy_loop_anywhere(self) -> None:
        """Tasks, greenlets, callbacks of the loop and the loop itself."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            async with new_handler() as handler:
                results: list[Any] = [handler.async_result()]
                arrived: list[int] = []

                def on_signal() -> None:
                    arrived.append(1)
                    results[-1].set()

                def turn() -> None:
                    if arrived_enough():
                        return
                    handler.spawn(sum, range(100))
                    loop.call_later(0.0003, turn)

                def arrived_enough() -> bool:
                    return len(arrived) >= 300

                with interrupted_by(on_signal, 0.001):
                    turn()
                    while not arrived_enough():
                        await results[-1]
                        results.append(handler.async_result())

        run(main())
