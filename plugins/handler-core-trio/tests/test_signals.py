"""Signal handlers, Ctrl-C, forks, and the model that is chosen."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio
from own_trio import OwnTrio, with_handler

from handler_core import Callback, get_handler
from handler_core.testing import LONG


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


class TestSignals(OwnTrio):
    @pytest.mark.parametrize("act", ["set", "fail", "dispatch", "spawn", "link"])
    def test_a_coroutine_awaits_a_result(self, act: str) -> None:
        async def main(handler: Any) -> None:
            result, first = handler.async_result(), handler.async_result()
            first.link(lambda _: result.set(1))
            acts: dict[str, Callable[[], object]] = {
                "set": lambda: result.set(1),
                "fail": lambda: result.set_exception(ValueError("as planned")),
                "dispatch": lambda: handler.dispatch_callback(Callback("test", result.set, (1,))),
                "spawn": lambda: handler.spawn(result.set, 1),
                "link": first.set,
            }
            with interrupted_by(acts[act]):
                if act == "fail":
                    with pytest.raises(ValueError, match="as planned"):
                        await result
                else:
                    assert await result == 1

        with_handler(main)

    def test_a_called_function_waits(self) -> None:
        async def main(handler: Any) -> None:
            event, (left, right) = handler.event_object(), handler.create_socket_pair()
            with interrupted_by(event.set):
                assert await handler.call(event.wait)
            with left, right, interrupted_by(lambda: right.send(b"x")):
                assert await handler.call(handler.select, [left], [], []) == ([left], [], [])

        with_handler(main)

    def test_it_interrupts_a_busy_loop_anywhere(self) -> None:
        async def main(handler: Any) -> None:
            results: list[Any] = [handler.async_result()]
            arrived: list[int] = []

            def on_signal() -> None:
                arrived.append(1)
                results[-1].set()

            async def turn() -> None:
                while len(arrived) < 300:
                    handler.spawn(sum, range(100))
                    await handler.call(handler.sleep_func, 0)
                    await trio.sleep(0.0003)

            with interrupted_by(on_signal, 0.001):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(turn)
                    while len(arrived) < 300:
                        await results[-1]
                        results.append(handler.async_result())

        with_handler(main)

    def test_ctrl_c_is_raised_where_the_main_task_waits(self) -> None:
        steps: list[str] = []

        async def main() -> None:
            handler: Any = get_handler()
            async with handler:

                def work() -> None:
                    try:
                        handler.sleep_func(LONG)
                    except KeyboardInterrupt:
                        steps.append("interrupted")
                        handler.sleep_func(0.001)
                        steps.append("cleaned up")
                        raise

                with interrupted_by(lambda: signal.raise_signal(signal.SIGINT)):
                    await handler.call(work)

        with pytest.raises(KeyboardInterrupt):
            trio.run(main)
        assert steps == ["interrupted", "cleaned up"]


class TestFork(OwnTrio):
    def test_a_function_that_forks_may_run_trio_in_the_child(self) -> None:
        printed = self.run_script(
            """
            import os, trio
            async def in_child():
                async with get_handler() as other:
                    assert other.name == "trio"
                    await other.call(other.sleep_func, 0.01)
                    with trio.move_on_after(0.01) as scope:
                        await other.call(other.sleep_func, 1000)
                    return scope.cancelled_caught
            def forks():
                pid = os.fork()
                if not pid:
                    assert trio.run(in_child)
                    handler.sleep_func(0.01)
                    os._exit(7)
                return exit_status(pid)
            async def main():
                async with handler, trio.open_nursery() as nursery:
                    nursery.start_soon(handler.call, handler.event_object().wait, 1000)
                    await trio.sleep(0)
                    status = await handler.call(forks)
                    nursery.cancel_scope.cancel()
                return status
            print(trio.run(main))
            """
        )
        assert printed == "7\n"

    def test_a_child_ends_after_what_it_has_dispatched(self) -> None:
        printed = self.run_script(
            """
            import os, trio
            def last():
                handler.sleep_func(0.05)
                print("the callback has run", flush=True)
            def forks():
                pid = os.fork()
                if not pid:
                    handler.start()
                    handler.dispatch_callback(Callback("test", last, ()))
                    return 0
                return exit_status(pid)
            async def main():
                return await handler.call(forks)
            print(trio.run(main))
            """
        )
        assert printed == "the callback has run\n0\n"


class TestChoice(OwnTrio):
    def test_the_innermost_model_is_chosen(self) -> None:
        printed = self.run_script(
            """
            import asyncio, threading, gevent, greenlet, trio
            def name():
                return get_handler().name
            def names():
                return name(), greenlet.greenlet(name).switch(), gevent.spawn(name).get()
            async def main():
                print(*names())
                print(*await handler.call(names))
                print(await trio.to_thread.run_sync(name))
                print(*await trio.to_thread.run_sync(asyncio.run, coroutine()))
            async def coroutine():
                return names()
            trio.run(main)
            print(*names())
            """
        )
        assert printed.splitlines() == [
            "trio trio gevent",
            "trio trio gevent",
            "threading",
            "asyncio asyncio gevent",
            "threading threading gevent",
        ]
