"""What a cancelled task of trio does to the function that it calls."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio
import trio.testing
from own_trio import OwnTrio, in_virtual_time, raise_

from handler_core.testing import LONG


class TestCancellation(OwnTrio):
    @pytest.mark.parametrize(
        "kind", ["result", "event", "lock", "queue", "select", "sleep", "recv"]
    )
    def test_each_way_to_wait(self, kind: str) -> None:
        async def main(handler: Any) -> None:
            left, right = handler.create_socket_pair()
            lock = handler.lock_object()
            lock.acquire()
            queue = handler.queue_impl()
            ways: dict[str, Callable[[], object]] = {
                "result": handler.async_result().get,
                "event": handler.event_object().wait,
                "lock": lock.acquire,
                "queue": queue.get,
                "select": lambda: handler.select([left], [], []),
                "sleep": lambda: handler.sleep_func(LONG),
                "recv": lambda: left.recv(1),
            }
            with left, right:
                with pytest.raises(trio.TooSlowError), trio.fail_after(0.001):
                    await handler.call(ways[kind])
                # The next caller gets the lock, the item and the byte.
                lock.release()
                assert lock.acquire(blocking=False)
                queue.put(1)
                right.send(b"x")
                assert await handler.call(queue.get) == 1
                assert await handler.call(left.recv, 1) == b"x"

        in_virtual_time(main)

    def test_it_is_raised_where_the_function_waits_and_what_cleans_up_is_finished(self) -> None:
        async def main(handler: Any) -> None:
            steps: list[Any] = []
            lock = handler.lock_object()
            left, right = handler.create_socket_pair()

            async def cleans_up() -> None:
                await trio.sleep(0.001)
                steps.append("awaited")

            def work(clean_up: Callable[[], object]) -> None:
                task = trio.lowlevel.current_task()
                with lock, left, right:
                    try:
                        handler.event_object().wait()
                    except trio.Cancelled:
                        assert trio.lowlevel.current_task() is task
                        steps.append("cancelled")
                        handler.sleep_func(0.001)
                        assert not handler.event_object().wait(0.001)
                        assert handler.select([left], [], [], 0.001) == ([], [], [])
                        clean_up()
                        handler.spawn(right.send, b"x")
                        assert left.recv(1) == b"x"
                        steps.append("cleaned up")
                        raise

            with trio.move_on_after(0.001) as scope:
                await handler.call(work, cleans_up)
            assert scope.cancelled_caught
            assert steps == ["cancelled", "awaited", "cleaned up"]
            assert not lock.locked()

        in_virtual_time(main)

    def test_a_nursery_that_is_cancelled(self) -> None:
        async def main(handler: Any) -> None:
            ended: list[int] = []

            def work(number: int) -> None:
                try:
                    handler.event_object().wait()
                finally:
                    handler.sleep_func(0.001)
                    ended.append(number)

            async with trio.open_nursery() as nursery:
                for number in range(10):
                    nursery.start_soon(handler.call, work, number)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
            assert sorted(ended) == list(range(10))

        in_virtual_time(main)

    def test_one_that_is_swallowed_is_raised_at_the_next_wait(self) -> None:
        """Trio cancels a scope once and for all."""

        async def main(handler: Any) -> None:
            seen: list[str] = []

            def work() -> None:
                for _ in range(3):
                    with contextlib.suppress(trio.Cancelled):
                        handler.sleep_func(LONG)
                    seen.append("swallowed")

            with trio.move_on_after(0.001) as scope:
                await handler.call(work)
            assert seen == ["swallowed"] * 3
            assert not scope.cancelled_caught

        in_virtual_time(main)

    def test_scopes_of_the_function_itself(self) -> None:
        async def main(handler: Any) -> None:
            def work() -> list[bool]:
                caught = []
                for _ in range(2):
                    with trio.move_on_after(0.001) as scope:
                        try:
                            handler.sleep_func(LONG)
                        finally:
                            handler.sleep_func(0.001)
                    caught.append(scope.cancelled_caught)
                    handler.sleep_func(0.001)
                with pytest.raises(trio.TooSlowError), trio.fail_after(0.001):
                    handler.async_result().get()
                return caught

            assert await handler.call(work) == [True, True]
            result = handler.async_result()
            # In a callback and in a task too.
            handler.async_result().link(lambda _: result.set(work()))
            done = handler.async_result()
            done.link(lambda _: result.set(work()))
            done.set()
            assert await result == [True, True]
            result = handler.async_result()
            handler.spawn(lambda: result.set(work()))
            assert await result == [True, True]

        in_virtual_time(main)

    def test_a_clean_up_with_a_limit_of_its_own(self) -> None:
        async def main(handler: Any) -> None:
            steps: list[str] = []

            def work() -> None:
                try:
                    handler.sleep_func(LONG)
                finally:
                    with trio.move_on_after(0.001, shield=True) as scope:
                        handler.sleep_func(LONG)
                    steps.append(f"limited: {scope.cancelled_caught}")
                    handler.sleep_func(0.001)
                    steps.append("cleaned up")

            with trio.move_on_after(0.001):
                await handler.call(work)
            assert steps == ["limited: True", "cleaned up"]

        in_virtual_time(main)

    def test_a_call_that_is_cancelled_before_it_begins(self) -> None:
        async def main(handler: Any) -> None:
            ran: list[int] = []
            with trio.CancelScope() as scope:
                scope.cancel()
                await handler.call(ran.append, 1)
            assert scope.cancelled_caught
            assert ran == []

        in_virtual_time(main)

    def test_a_context_manager_is_left(self) -> None:
        async def main(handler: Any) -> None:
            steps: list[str] = []

            @contextlib.contextmanager
            def manager() -> Iterator[None]:
                steps.append("entered")
                try:
                    yield
                finally:
                    for _ in range(3):
                        handler.sleep_func(0.001)
                    steps.append("left")

            with trio.move_on_after(0.001) as scope:
                async with handler.calling(manager()):
                    await trio.sleep(LONG)
            assert scope.cancelled_caught
            assert steps == ["entered", "left"]

        in_virtual_time(main)

    def test_an_exception_in_the_midst_of_it(self) -> None:
        async def main(handler: Any) -> None:
            def work() -> None:
                try:
                    handler.sleep_func(LONG)
                finally:
                    raise_(ValueError("as planned"))

            with (
                pytest.raises(ValueError, match="as planned") as caught,
                trio.move_on_after(0.001),
            ):
                await handler.call(work)
            assert isinstance(caught.value.__context__, trio.Cancelled)

        in_virtual_time(main)

    def test_a_look_up_that_takes_too_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def never(*_: object, **__: object) -> None:
            await trio.sleep(LONG)

        monkeypatch.setattr(trio.socket, "getaddrinfo", never)

        async def main(handler: Any) -> None:
            with pytest.raises(TimeoutError, match=r"slow\.example"):
                await handler.call(handler.create_connection, ("slow.example", 2181), 0.01)
            with trio.move_on_after(0.01) as scope:
                await handler.call(handler.create_connection, ("slow.example", 2181))
            assert scope.cancelled_caught

        in_virtual_time(main)
