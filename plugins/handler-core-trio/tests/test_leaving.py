"""What is entered is left in full, whatever comes meanwhile: Ctrl-C, a cancellation, a signal."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio
import trio.testing
from own_trio import OwnTrio, new_handler, run, with_handler

from handler_core import Callback


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def noting(called: list[str], handler: Any, while_leaving: Callable[[], object]) -> Iterator[None]:
    called.append("enter")
    handler.sleep_func(0.001)
    yield
    called.append("leave")
    while_leaving()
    handler.sleep_func(0.001)
    called.append("left")


ALL = ["enter", "leave", "left"]


class TestLeaving(OwnTrio):
    def test_ctrl_c_in_the_last_call_of_the_block(self) -> None:
        """Only a checkpoint of the exit is left to raise it, and the worker still has to end."""

        async def main(handler: Any) -> None:
            result = handler.async_result()
            handler.dispatch_callback(Callback("test", result.set, ()))
            await result
            await handler.call(press_ctrl_c)

        with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)) as caught:
            with_handler(main)
        if isinstance(caught.value, BaseExceptionGroup):
            assert [type(error) for error in caught.value.exceptions] == [KeyboardInterrupt]

    def test_ctrl_c_while_a_worker_ends(self) -> None:
        ran: list[str] = []

        async def main(handler: Any) -> None:
            def work() -> None:
                press_ctrl_c()
                handler.sleep_func(0.01)
                ran.append("to its end")

            handler.dispatch_callback(Callback("test", work, ()))

        with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)):
            with_handler(main)
        assert ran == ["to its end"]

    def test_ctrl_c_the_third_time(self) -> None:
        async def main(handler: Any) -> None:
            def work() -> None:
                for _ in range(3):
                    handler.sleep_func(0.01)
                    press_ctrl_c()
                handler.event_object().wait()

            handler.dispatch_callback(Callback("test", work, ()))

        with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)):
            with_handler(main)

    @pytest.mark.parametrize("when", ["in the block", "at the end"])
    def test_ctrl_c_leaves_a_context_manager(self, when: str) -> None:
        called: list[str] = []

        async def main(handler: Any) -> None:
            at_end = press_ctrl_c if when == "at the end" else lambda: None
            async with handler.calling(noting(called, handler, at_end)):
                if when == "in the block":
                    await handler.call(press_ctrl_c)

        with pytest.raises((KeyboardInterrupt, BaseExceptionGroup)):
            with_handler(main)
        assert called == ALL

    def test_a_cancellation_at_the_end_is_raised_afterwards(self) -> None:
        called: list[str] = []

        async def main(handler: Any) -> None:
            with trio.CancelScope() as scope:
                async with handler.calling(noting(called, handler, scope.cancel)):
                    pass
                called.append("not reached")
            assert scope.cancelled_caught
            assert called == ALL

        with_handler(main)

    def test_the_error_of_the_block_is_not_replaced_by_it(self) -> None:
        called: list[str] = []

        @contextlib.contextmanager
        def leaving(handler: Any, scope: trio.CancelScope) -> Iterator[None]:
            try:
                yield
            finally:
                scope.cancel()
                handler.sleep_func(0.001)
                called.append("left")

        async def main(handler: Any) -> None:
            with pytest.raises(ZeroDivisionError), trio.CancelScope() as scope:
                async with handler.calling(leaving(handler, scope)):
                    raise ZeroDivisionError
            assert called == ["left"]

        with_handler(main)

    def test_a_context_manager_may_hold_a_scope(self) -> None:
        @contextlib.contextmanager
        def limited(handler: Any) -> Iterator[int]:
            with trio.fail_after(3600):
                handler.sleep_func(0.001)
                yield 1
                handler.sleep_func(0.001)

        async def main(handler: Any) -> None:
            async with handler.calling(limited(handler)) as number:
                assert number == 1
                await trio.sleep(0.001)

        with_handler(main)

    def test_a_timeout_while_tasks_end(self) -> None:
        async def main() -> None:
            with trio.fail_after(1):
                async with new_handler() as handler:
                    handler.spawn(handler.sleep_func, 3600)

        with pytest.raises(trio.TooSlowError):
            run(main, clock=trio.testing.MockClock(autojump_threshold=0))

    def test_a_signal_just_before_the_task_parks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        wait = trio.lowlevel.wait_task_rescheduled

        async def main(handler: Any) -> None:
            result = handler.async_result()
            previous = signal.signal(signal.SIGUSR1, lambda *_: result.set(1))

            def interrupted(abort: Any) -> Any:
                if not result.ready():
                    signal.raise_signal(signal.SIGUSR1)
                return wait(abort)

            monkeypatch.setattr(trio.lowlevel, "wait_task_rescheduled", interrupted)
            try:
                assert await result == 1
                with trio.CancelScope() as scope:
                    scope.cancel()
                    await trio.lowlevel.checkpoint()
                assert scope.cancelled_caught
            finally:
                signal.signal(signal.SIGUSR1, previous)

        with_handler(main)

    def test_a_start_that_fails_is_no_entry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def main() -> None:
            handler = new_handler()
            with monkeypatch.context() as patch:
                patch.setattr(handler, "start", lambda: 1 / 0)
                with pytest.raises((ZeroDivisionError, ExceptionGroup)):
                    await handler.__aenter__()
            async with handler:
                assert await handler.call(len, "abc") == 3

        run(main)
