"""Loops that end, and one loop after the other."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest
from handler_core_asyncio import SequentialAsyncioHandler
from handler_core_greenlet import LoopHub, TaskGreenlet
from own_loop import OwnLoop, new_handler, only_asyncio, run

from handler_core import Callback, get_handler
from handler_core.testing import LIMIT, open_descriptors


class TestLoops(OwnLoop):
    def test_one_handler_in_one_loop_after_the_other(self) -> None:
        handler = new_handler()
        ran: list[int] = []

        async def main(number: int) -> None:
            async with handler:
                handler.dispatch_callback(Callback("test", ran.append, (number,)))

        for number in range(3):
            run(main(number))
        assert ran == [0, 1, 2]

    def test_what_a_loop_has_left_runs_nevertheless(self) -> None:
        handler = new_handler()
        ran: list[int] = []

        async def main() -> None:
            handler.start()
            for number in range(3):
                handler.dispatch_callback(Callback("test", ran.append, (number,)))

        run(main())
        handler.stop()
        assert ran == [0, 1, 2]

    def test_a_stop_elsewhere_hears_of_the_end_of_the_loop(self) -> None:
        handler = new_handler()
        stopped: list[BaseException] = []

        def stop() -> None:
            try:
                handler.stop()
            except RuntimeError as error:
                stopped.append(error)

        async def main() -> Any:
            handler.start()
            blocked = asyncio.Event()

            def block() -> None:
                blocked.set()
                handler.event_object().wait()

            handler.dispatch_callback(Callback("test", block, ()))
            await blocked.wait()
            thread = self.os_thread(stop)
            while handler.running:
                await asyncio.sleep(0.001)
            return thread

        thread = run(main())
        thread.result(new_handler())
        assert "has ended" in str(stopped[0])
        assert not handler.running

    @pytest.mark.parametrize("closed", [False, True], ids=["thread ends", "loop is closed"])
    @pytest.mark.parametrize("name", ["stop", "join"])
    def test_c4_who_waits_elsewhere_hears_of_a_loop_that_is_not_shut_down(
        self, name: str, closed: bool
    ) -> None:
        """Its asynchronous generators are told nothing."""
        handler, other = new_handler(), new_handler()
        tasks: list[Any] = []
        blocked, end, leave = threading.Event(), threading.Event(), threading.Event()

        def block() -> None:
            blocked.set()
            handler.event_object().wait()

        async def main() -> None:
            handler.start()
            handler.dispatch_callback(Callback("test", block, ()))
            tasks.append(handler.spawn(handler.event_object().wait))
            while not end.is_set():
                await asyncio.sleep(0.001)

        def home() -> None:
            loop = (OwnLoop.new_loop or asyncio.new_event_loop)()
            loop.run_until_complete(main())
            if closed:
                loop.close()
                leave.wait(LIMIT)

        def wait() -> str:
            try:
                handler.stop() if name == "stop" else tasks[0].join()
            except RuntimeError as error:
                return str(error)
            return ""

        thread = self.os_thread(home)
        assert blocked.wait(LIMIT)
        waiter = self.os_thread(wait)
        other.sleep_func(0.01)
        end.set()
        assert ("has ended" in waiter.result(other)) is (name == "stop")
        self.until(other, lambda: not tasks[0].is_alive())
        leave.set()
        thread.result(other)

    def test_c4_the_thread_of_a_loop_that_does_not_run_does_not_wait_for_its_tasks(self) -> None:
        handler = new_handler()

        async def main() -> Any:
            return handler.spawn(handler.event_object().wait)

        with asyncio.Runner(loop_factory=OwnLoop.new_loop) as runner:
            task = runner.run(main())
            for timeout in (None, LIMIT):
                with pytest.raises(RuntimeError, match=r"await handler\.call"):
                    task.join(timeout)
            assert task.is_alive()
        task.join()
        assert not task.is_alive()

    def test_c4_an_executor_hears_of_the_end_before_the_loop_waits_for_it(self) -> None:
        handler = new_handler()
        ended: list[bool] = []

        async def main() -> None:
            task = handler.spawn(handler.event_object().wait)

            def wait() -> None:
                task.join()
                ended.append(task.is_alive())

            asyncio.get_running_loop().run_in_executor(None, wait)
            await asyncio.sleep(0.01)

        run(main())
        assert ended == [False]

    def test_c4_queues_and_locks_serve_those_whose_loop_still_runs(self) -> None:
        handler = new_handler()
        queue, lock = handler.queue_impl(), handler.lock_object()

        async def wait_for_ever() -> None:
            handler.spawn(queue.get)
            handler.spawn(lock.acquire)
            await asyncio.sleep(0.01)

        async def wait() -> None:
            waits = [handler.call(queue.get), handler.call(lock.acquire)]
            tasks = [asyncio.ensure_future(wait) for wait in waits]
            await asyncio.sleep(0.01)
            queue.put(1)
            lock.release()
            assert await asyncio.gather(*tasks) == [1, True]

        lock.acquire()
        run(wait_for_ever())
        run(wait())

    def test_sockets_are_forgotten_with_their_loop(self) -> None:
        handler = new_handler()

        async def main() -> None:
            left, right = handler.create_socket_pair()
            with left, right:
                assert await handler.call(handler.select, [left], [], [], 0.001) == ([], [], [])
                right.send(b"x")
                assert await handler.call(handler.select, [left], [], [], LIMIT) == ([left], [], [])

        run(main())
        before = open_descriptors()
        for _ in range(20):
            run(main())
        assert open_descriptors() <= before

    def test_the_same_sockets_in_one_loop_after_the_other(self) -> None:
        handler = new_handler()
        left, right = handler.create_socket_pair()

        async def main() -> None:
            assert await handler.call(handler.select, [left], [], [], 0.001) == ([], [], [])
            asyncio.get_running_loop().call_later(0.001, right.send, b"x")
            assert await handler.call(handler.select, [left], [], [], LIMIT) == ([left], [], [])
            assert await handler.call(left.recv, 1) == b"x"

        with left, right:
            for _ in range(3):
                run(main())

    def test_a_ready_socket_that_nobody_waits_for_is_left_alone(self) -> None:
        only_asyncio()

        async def main() -> None:
            handler = new_handler()
            loop = asyncio.get_running_loop()
            left, right = handler.create_socket_pair()
            with left, right:
                right.send(b"x")
                assert await handler.call(handler.select, [left], [], [], LIMIT) == ([left], [], [])
                left.recv(1)
                await handler.call(handler.select, [left], [], [], 0.001)
                right.send(b"x")
                turns = 0

                def turn() -> None:
                    nonlocal turns
                    turns += 1

                select = loop._selector.select  # type: ignore[attr-defined]

                def counting(timeout: float | None) -> Any:
                    turn()
                    return select(timeout)

                loop._selector.select = counting  # type: ignore[attr-defined]
                await asyncio.sleep(0.05)
                assert turns < 10

        run(main())

    @pytest.mark.parametrize("handlers", ["one for each loop", "one for all loops"])
    @pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
    def test_a_loop_that_ends_without_a_stop_leaves_nothing_behind(
        self, handlers: str, told: bool
    ) -> None:
        """Told: its asynchronous generators are told of the end, as ``asyncio.run`` does it."""
        shared = new_handler()
        ran: list[int] = []

        async def main() -> None:
            handler = shared if handlers == "one for all loops" else new_handler()
            await use(handler)

        async def use(handler: SequentialAsyncioHandler) -> None:
            handler.start()
            for link in (False, True):
                result = handler.async_result()
                if link:
                    result.link(lambda _: ran.append(1))
                    result.set()
                else:
                    handler.dispatch_callback(Callback("test", ran.append, (1,)))
            left, right = handler.create_socket_pair()
            with left, right:
                await handler.call(handler.select, [left], [], [], 0.001)
            async with handler.calling(handler.lock_object()):
                pass
            await handler.call(handler.spawn(int).join)

        def live() -> None:
            if told:
                run(main())
                return
            loop = (OwnLoop.new_loop or asyncio.new_event_loop)()
            loop.run_until_complete(main())
            loop.close()

        def left() -> int:
            gc.collect()
            return sum(isinstance(each, (LoopHub, TaskGreenlet)) for each in gc.get_objects())

        live()
        before = left()
        for _ in range(10):
            live()
        # Each loop would leave a hub, and two greenlets. The last hub of a thread stays, and what
        # has a finalizer may stay until the next collection.
        assert left() < before + 10
        assert len(ran) == 11 * 2

    def test_an_idle_worker_comes_again_after_the_end_of_its_loop(self) -> None:
        handler = new_handler()
        ran: list[str] = []

        async def first() -> None:
            handler.start()
            handler.dispatch_callback(Callback("test", ran.append, ("in the first loop",)))
            await asyncio.sleep(0)

        async def second() -> None:
            async with handler:
                handler.dispatch_callback(Callback("test", ran.append, ("in the second",)))

        run(first())
        handler.dispatch_callback(Callback("test", ran.append, ("between them",)))
        run(second())
        assert ran == ["in the first loop", "between them", "in the second"]

    def test_automatic_choice(self) -> None:
        async def main() -> str:
            return get_handler().name

        assert run(main()) == "asyncio"
        assert get_handler().name == "threading"
