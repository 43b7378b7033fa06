"""What is asyncio's own: coroutines, cancellation, loops that end, and threads beside them."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import greenlet
import pytest
import uvloop
from asyncio_process import LOOP, AsyncioProcess
from handler_core_asyncio import AsyncioTimeoutError, AsyncResult, SequentialAsyncioHandler
from handler_core_greenlet import CallGreenlet, TaskGreenlet

from handler_core import Callback, Handler, HandlerTimeoutError, get_handler
from handler_core.testing.suite import LIMIT, LONG, Suite, open_descriptors

CONTEXT: contextvars.ContextVar[str] = contextvars.ContextVar("CONTEXT", default="nothing")

# A coroutine of these tests runs in a loop of its own, which no other loop may run around: they are
# for the process that no loop runs.
own_loop = pytest.mark.skipif(LOOP is not None, reason="this process is in a loop already")


def new_handler() -> SequentialAsyncioHandler:
    handler = get_handler("asyncio")
    assert isinstance(handler, SequentialAsyncioHandler)
    return handler


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine in a loop of its own, for so long and no longer."""

    async def limited() -> Any:
        async with asyncio.timeout(LIMIT):
            return await coroutine

    with asyncio.Runner(debug=True, loop_factory=OwnLoop.new_loop) as runner:
        return runner.run(limited())


@own_loop
class OwnLoop(AsyncioProcess, Suite):
    """The base of tests whose coroutines run in a loop of theirs: asyncio's, then uvloop's."""

    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None

    @pytest.fixture(autouse=True, params=["asyncio", "uvloop"])
    def loop_of_the_test(self, request: pytest.FixtureRequest, monkeypatch: Any) -> None:
        if request.param == "uvloop":
            monkeypatch.setattr(OwnLoop, "new_loop", uvloop.new_event_loop)


def only_asyncio(reason: str = "this reaches into the loop, and uvloop's is C") -> None:
    """Skip a test that uvloop's loop cannot be put to."""
    if OwnLoop.new_loop is not None:
        pytest.skip(reason)


class TestCall(OwnLoop):
    def test_its_value_and_its_exception(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                assert await handler.call(divmod, 7, 2) == (3, 1)
                assert await handler.call(int, "11", base=2) == 3
                with pytest.raises(ZeroDivisionError) as caught:
                    await handler.call(divmod, 7, 0)
                assert caught.value.__context__ is None
                with pytest.raises(SystemExit, match="as planned"):
                    await handler.call(_raise, SystemExit("as planned"))

        run(main())

    def test_many_wait_at_once_on_one_thread(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                threads = set()
                before = threading.active_count()

                def work(number: int) -> int:
                    handler.sleep_func(0.001)
                    threads.add(threading.get_ident())
                    return number

                values = await asyncio.gather(*(handler.call(work, n) for n in range(100)))
                assert values == list(range(100))
                assert threads == {threading.get_ident()}
                assert threading.active_count() == before

        run(main())

    def test_it_lets_coroutines_run(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                result = handler.async_result()
                waiting = asyncio.ensure_future(handler.call(result.get))
                await asyncio.sleep(0)
                result.set(1)
                assert await waiting == 1

        run(main())

    def test_the_context_of_the_caller(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                CONTEXT.set("the caller's")
                seen = []

                def look() -> str:
                    handler.sleep_func(0)
                    seen.append(CONTEXT.get())
                    CONTEXT.set("the greenlet's")
                    handler.sleep_func(0)
                    return CONTEXT.get()

                assert await handler.call(look) == "the greenlet's"
                assert CONTEXT.get() == "the caller's"
                task = handler.spawn(look)
                await handler.call(task.join)
                assert seen == ["the caller's"] * 2

        run(main())

    def test_nothing_is_left_of_it(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                for _ in range(10):
                    await handler.call(len, "abc")
                    await handler.call(handler.sleep_func, 0)
                    with pytest.raises(ValueError, match="planned"):
                        await handler.call(_raise, ValueError("planned"))
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(handler.call(handler.sleep_func, LONG), 0.001)
                    async with handler.calling(handler.lock_object()):
                        pass
                    with pytest.raises(RuntimeError, match="planned"):
                        async with handler.calling(_Broken()):
                            pass

        def left() -> int:
            gc.collect()
            return sum(isinstance(each, (CallGreenlet, TaskGreenlet)) for each in gc.get_objects())

        before = left()
        run(main())
        assert left() == before

    def test_before_start_and_after_stop(self) -> None:
        async def main() -> None:
            handler = new_handler()
            assert await handler.call(len, "abc") == 3
            async with handler:
                pass
            assert await handler.call(handler.sleep_func, 0) is None

        run(main())

    def test_a_handler_of_another_loop(self) -> None:
        private = new_handler()
        private.start()

        async def main() -> None:
            result = private.async_result()
            private.dispatch_callback(Callback("test", result.set, (1,)))
            assert await result == 1
            assert await private.call(private.async_result().wait, 0.001) is False
            await private.call(private.stop)

        run(main())
        assert not private.running


class TestCancellation(OwnLoop):
    def test_it_is_raised_where_the_function_waits(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                steps = []
                lock = handler.lock_object()

                def work() -> None:
                    with lock:
                        steps.append("waiting")
                        try:
                            handler.event_object().wait()
                        except asyncio.CancelledError as error:
                            steps.append(f"cancelled: {error}")
                            handler.sleep_func(0.001)
                            steps.append("cleaned up")
                            raise

                task = asyncio.ensure_future(handler.call(work))
                await asyncio.sleep(0)
                assert steps == ["waiting"]
                task.cancel("by the test")
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert task.cancelled()
                assert steps == ["waiting", "cancelled: by the test", "cleaned up"]
                assert not lock.locked()

        run(main())

    def test_a_function_that_is_stubborn(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:

                def work() -> str:
                    for _ in range(2):
                        with contextlib.suppress(asyncio.CancelledError):
                            handler.event_object().wait()
                    return "done"

                task = asyncio.ensure_future(handler.call(work))
                for _ in range(2):
                    await asyncio.sleep(0)
                    task.cancel()
                    await asyncio.sleep(0)
                assert await task == "done"

        run(main())

    @pytest.mark.parametrize(
        "kind", ["result", "event", "lock", "queue", "select", "sleep", "recv"]
    )
    def test_each_way_to_wait(self, kind: str) -> None:
        async def main() -> None:
            async with new_handler() as handler:
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
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(handler.call(ways[kind]), 0.001)
                    # And whoever comes next gets what there is.
                    lock.release()
                    assert lock.acquire(blocking=False)
                    queue.put(1)
                    right.send(b"x")
                    assert await handler.call(queue.get) == 1
                    assert await handler.call(left.recv, 1) == b"x"

        run(main())

    def test_what_has_ended_at_the_same_moment(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                event = handler.event_object()
                task = asyncio.ensure_future(handler.call(event.wait))
                await asyncio.sleep(0)
                event.set()
                await asyncio.sleep(0)  # the greenlet goes on, and the coroutine is about to
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        run(main())

    def test_what_waits_when_its_loop_is_closed_is_left_without_a_word(self) -> None:
        printed = self.run_script(
            """
            import asyncio, gc, sys
            def wait(event, when_over):
                try:
                    event.wait()
                finally:
                    print(when_over)
            async def main(handler):
                waiting = handler.call(wait, handler.event_object(), "a call ended")
                waiting.send(None)
                handler.spawn(wait, handler.event_object(), "a task ended")
                await asyncio.sleep(0)
                return waiting
            loop = asyncio.new_event_loop()
            waiting = loop.run_until_complete(main(handler))
            loop.close()
            waiting.close()
            del waiting, handler
            gc.collect()
            print("the loop is closed")
            """
        )
        assert printed == "the loop is closed\n"

    def test_a_function_that_ends_its_greenlet(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                with pytest.raises(greenlet.GreenletExit):
                    await handler.call(_raise, greenlet.GreenletExit())

        run(main())

    @pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="Python 3.12 has it")
    def test_eager_tasks(self) -> None:
        only_asyncio("uvloop 0.23 hands asyncio's own eager factory an argument it does not know")

        async def main() -> None:
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            async with new_handler() as handler:

                def work(number: int) -> int:
                    handler.sleep_func(0.001)
                    return number

                tasks: list[asyncio.Task[int]] = []

                def begin() -> None:  # in a greenlet, and so does the first step of each task
                    tasks.extend(asyncio.create_task(handler.call(work, n)) for n in range(10))
                    handler.sleep_func(0.001)

                await handler.call(begin)
                assert await asyncio.gather(*tasks) == list(range(10))

        run(main())

    def test_a_coroutine_that_nobody_goes_on_with(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                ended = []

                def work() -> None:
                    try:
                        handler.event_object().wait()
                    finally:
                        ended.append(True)

                coroutine = handler.call(work)
                coroutine.send(None)
                coroutine.close()
                await asyncio.sleep(0)
                assert ended == [True]

        run(main())


class TestAwaiting(OwnLoop):
    def test_a_value_an_exception_and_again(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                result = handler.async_result()
                assert isinstance(result, AsyncResult)
                asyncio.get_running_loop().call_soon(result.set, 1)
                assert await result == 1
                assert await result == 1
                failed = handler.async_result()
                asyncio.get_running_loop().call_soon(failed.set_exception, ValueError("planned"))
                for _ in range(3):
                    with pytest.raises(ValueError, match="planned") as caught:
                        await failed
                assert len(caught.traceback) <= 4

        run(main())

    def test_wait_for_gather_and_timeout(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                results = [handler.async_result() for _ in range(3)]
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(results[0], 0.001)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.001):
                        await results[0]
                for number, result in enumerate(results):
                    handler.spawn(result.set, number)
                assert await asyncio.gather(*results) == [0, 1, 2]
                assert await asyncio.wait_for(results[1], LIMIT) == 1

        run(main())

    def test_a_wait_that_was_cancelled_leaves_nothing_behind(self) -> None:
        async def main() -> None:
            result = new_handler().async_result()
            tasks = [asyncio.ensure_future(_await(result)) for _ in range(3)]
            await asyncio.sleep(0)
            tasks[1].cancel()
            await asyncio.sleep(0)
            assert result._waiters is not None
            assert len(result._waiters) == 2
            result.set(1)
            await asyncio.gather(*tasks, return_exceptions=True)
            assert tasks[1].cancelled()
            assert [tasks[0].result(), tasks[2].result()] == [1, 1]

        run(main())

    def test_a_result_without_a_handler(self) -> None:
        async def main() -> None:
            result = AsyncResult()
            asyncio.get_running_loop().call_soon(result.set, 1)
            assert await result == 1
            with pytest.raises(RuntimeError, match="await result"):
                AsyncResult().get()

        run(main())
        with pytest.raises(AsyncioTimeoutError) as caught:
            AsyncResult().get(timeout=0.001)
        assert isinstance(caught.value, HandlerTimeoutError)

    def test_set_by_another_thread(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                for _ in range(100):
                    asked, answered = handler.async_result(), handler.async_result()

                    def answer(asked: Any = asked, answered: Any = answered) -> None:
                        answered.set(asked.get(timeout=LIMIT) + 1)

                    thread = self.os_thread(answer)
                    asked.set(1)
                    assert await answered == 2
                    await handler.call(thread.result, handler)

        run(main())

    def test_a_setter_after_the_end_of_the_loop(self) -> None:
        result = AsyncResult()

        async def main() -> None:
            waiting = _await(result), new_handler().call(result.get)
            tasks = [asyncio.ensure_future(coroutine) for coroutine in waiting]
            await asyncio.sleep(0)
            assert not any(task.done() for task in tasks)

        run(main())
        result.set(1)
        assert result.get() == 1


class TestCallbacks(OwnLoop):
    def test_coroutine_functions_are_awaited_in_order(self) -> None:
        async def main() -> None:
            ran: list[Any] = []

            async def note(what: Any) -> None:
                await asyncio.sleep(0.001)
                ran.append(what)

            async with new_handler() as handler:
                for number in range(3):
                    handler.dispatch_callback(Callback("test", note, (number,)))
                    handler.dispatch_callback(Callback("test", ran.append, (f"after {number}",)))
            assert ran == [0, "after 0", 1, "after 1", 2, "after 2"]
            ran.clear()

            async def note_value(result: Any) -> None:
                await note(result.value)

            async with handler:
                for number in range(3):
                    result = handler.async_result()
                    result.link(note_value)
                    result.set(number)
            assert ran == [0, 1, 2]

        run(main())

    def test_c3_stop_from_inside(self) -> None:
        async def main() -> None:
            ran: list[str] = []
            handler = new_handler()

            async def stop(*_: Any) -> None:
                await handler.call(handler.stop)
                handler.stop()
                ran.append("stopped")

            handler.start()
            handler.dispatch_callback(Callback("test", stop, ()))
            handler.dispatch_callback(Callback("test", ran.append, ("queued",)))
            await handler.call(handler.stop)
            assert ran == ["stopped", "queued"]
            handler.start()
            result = handler.async_result()
            result.link(stop)
            result.set()
            await handler.call(handler.stop)
            assert ran == ["stopped", "queued", "stopped"]

        run(main())

    def test_what_a_callback_has_started_is_no_callback(self) -> None:
        async def main() -> None:
            ran: list[str] = []
            started: list[asyncio.Task[None]] = []
            handler = new_handler()

            async def stop_later() -> None:
                await asyncio.sleep(0.01)
                handler.dispatch_callback(Callback("test", ran.append, ("queued",)))
                await handler.call(handler.stop)
                assert ran == ["queued"]
                ran.append("stopped")

            async def begin() -> None:
                started.append(asyncio.ensure_future(stop_later()))

            handler.start()
            handler.dispatch_callback(Callback("test", begin, ()))
            while not started:
                await asyncio.sleep(0)
            await started[0]
            assert ran == ["queued", "stopped"]

        run(main())

    def test_on_the_private_loop(self) -> None:
        ran = []

        async def note() -> None:
            await asyncio.sleep(0)
            ran.append(threading.current_thread().name)

        with new_handler() as handler:
            handler.dispatch_callback(Callback("test", note, ()))
        assert ran == ["handler-core-asyncio"]

    def test_a_coroutine_that_fails(self, caplog: pytest.LogCaptureFixture) -> None:
        async def fail() -> None:
            await asyncio.sleep(0)
            raise ValueError("as planned")

        async def main() -> None:
            async with new_handler() as handler:
                handler.dispatch_callback(Callback("test", fail, ()))
                handler.dispatch_callback(Callback("test", _raise, (asyncio.CancelledError(),)))

        with caplog.at_level(logging.ERROR, "handler_core"):
            run(main())
        errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
        assert [type(error) for error in errors] == [ValueError, asyncio.CancelledError]

    def test_a_link_that_is_set_while_stopped(self) -> None:
        async def main() -> None:
            linked = asyncio.Event()

            async def link(result: Any) -> None:
                await asyncio.sleep(0)
                linked.set()

            result = new_handler().async_result()
            result.link(link)
            result.set()
            await linked.wait()

        run(main())
        ran = []

        async def link(result: Any) -> None:
            await asyncio.sleep(0)
            ran.append(result.value)

        result = new_handler().async_result()
        result.link(link)
        result.set(1)  # in a thread without a loop, which waits for it
        assert ran == [1]

    def test_a_wrapper_is_around_the_whole_of_a_coroutine(self) -> None:
        from handler_core import hookimpl

        steps = []

        class Wrapper:
            @hookimpl(wrapper=True)
            def run_callback(self, callback: Any) -> Any:
                steps.append("before")
                try:
                    return (yield)
                finally:
                    steps.append("after")

        async def work() -> None:
            await asyncio.sleep(0)
            steps.append("work")

        async def main() -> None:
            handler = get_handler("asyncio", wrappers=[Wrapper()])
            assert isinstance(handler, SequentialAsyncioHandler)
            async with handler:
                handler.dispatch_callback(Callback("test", work, ()))

        run(main())
        assert steps == ["before", "work", "after"]


class TestBlocking(OwnLoop):
    @pytest.mark.parametrize(
        "wait",
        [
            lambda handler: handler.async_result().get(),
            lambda handler: handler.async_result().wait(1),
            lambda handler: handler.event_object().wait(),
            lambda handler: handler.sleep_func(0.01),
            lambda handler: handler.queue_impl().get(),
            lambda handler: handler.select([], [], [], 1),
            lambda handler: handler.spawn(handler.sleep_func, 0.01).join(),
            lambda handler: handler.create_connection(("localhost", 1)),
            lambda handler: (handler.dispatch_callback(Callback("", len, ("",))), handler.stop()),
        ],
        ids=["get", "wait", "event", "sleep", "queue", "select", "join", "connect", "stop"],
    )
    def test_c16_in_a_coroutine(self, wait: Callable[[Any], object]) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                with pytest.raises(RuntimeError, match=r"await result.*await handler\.call\("):
                    wait(handler)

        run(main())

    def test_c16_a_lock(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                for lock in (handler.lock_object(), handler.rlock_object()):
                    await handler.call(lock.acquire)
                    assert not lock.acquire(blocking=False)
                    with pytest.raises(RuntimeError, match=r"await handler\.call\("):
                        lock.acquire()

        run(main())

    def test_in_a_greenlet_of_somebody_else(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                result = handler.async_result()

                def wait() -> None:
                    with pytest.raises(RuntimeError, match=r"await handler\.call\("):
                        result.get()

                greenlet.greenlet(wait).switch()

        run(main())

    def test_outside_of_a_loop_that_does_not_run(self) -> None:
        loop = asyncio.new_event_loop()
        handler = new_handler()

        async def start() -> None:
            handler.start()
            handler.dispatch_callback(Callback("test", len, ("",)))

        async def stop() -> None:
            await handler.call(handler.stop)

        try:
            loop.run_until_complete(start())
            with pytest.raises(RuntimeError, match="does not run"):
                handler.stop()
            assert handler.running
            loop.run_until_complete(stop())
            assert not handler.running
        finally:
            loop.close()


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

    def test_automatic_choice(self) -> None:
        async def main() -> str:
            return get_handler().name

        assert run(main()) == "asyncio"
        assert get_handler().name == "threading"


class TestCalling(OwnLoop):
    def test_it_is_entered_and_left_in_one_greenlet(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                rlock = handler.rlock_object()
                async with handler.calling(rlock) as value:
                    assert value is True
                    assert not await handler.call(rlock.acquire, False)
                assert await handler.call(rlock.acquire, False)

        run(main())

    def test_exceptions_are_shown_to_it(self) -> None:
        class Manager:
            def __init__(self, suppress: bool) -> None:
                self.suppress = suppress
                self.seen: Any = None

            def __enter__(self) -> str:
                handler.sleep_func(0)
                return "entered"

            def __exit__(self, kind: Any, value: Any, traceback: Any) -> bool:
                handler.sleep_func(0)
                self.seen = kind, value
                return self.suppress

        handler = new_handler()

        async def main() -> None:
            manager = Manager(suppress=True)
            async with handler.calling(manager) as value:
                assert value == "entered"
                raise ValueError("as planned")
            assert manager.seen[0] is ValueError
            manager = Manager(suppress=False)
            with pytest.raises(ValueError, match="as planned"):
                async with handler.calling(manager):
                    raise ValueError("as planned")

        run(main())

    def test_a_lock_that_is_taken_as_its_taker_is_cancelled_is_given_back(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                lock = handler.lock_object()
                lock.acquire()

                async def hold() -> None:
                    async with handler.calling(lock):
                        pass

                task = asyncio.ensure_future(hold())
                await asyncio.sleep(0)
                lock.release()  # hands it on to the greenlet, which goes on in the next turn
                await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert not lock.locked()

        run(main())


class TestFairness(OwnLoop):
    def test_a_loop_around_select_lets_coroutines_run(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                left, right = handler.create_socket_pair()
                right.send(b"x")
                over = False

                def spin() -> int:
                    count = 0
                    while not over:
                        count += bool(handler.select([left], [], [], LIMIT)[0])
                    return count

                with left, right:
                    spinning = asyncio.ensure_future(handler.call(spin))
                    for _ in range(10):
                        await asyncio.sleep(0)
                    over = True
                    assert await spinning >= 10

        run(main())

    def test_busy_callbacks_let_coroutines_run(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                over = False

                def work() -> None:
                    if not over:
                        handler.dispatch_callback(Callback("test", work, ()))

                work()
                for _ in range(10):
                    await asyncio.sleep(0)
                over = True

        run(main())


class TestSockets(OwnLoop):
    def test_look_ups_go_through_the_loop(self) -> None:
        only_asyncio()
        asked = []

        async def main() -> None:
            async with new_handler() as handler:
                loop = asyncio.get_running_loop()

                async def getaddrinfo(host: Any, port: Any, **kwargs: Any) -> Any:
                    asked.append(host)
                    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

                loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign, assignment]
                with socket.create_server(("127.0.0.1", 0)) as server:
                    port = server.getsockname()[1]
                    connection = await handler.call(
                        handler.create_connection, ("zookeeper.example", port), timeout=LIMIT
                    )
                    with connection:
                        assert connection.getpeername() == ("127.0.0.1", port)
                    sock = handler.socket()
                    with sock:
                        await handler.call(sock.connect, ("other.example", port))
                        assert sock.getpeername() == ("127.0.0.1", port)

        run(main())
        assert asked == ["zookeeper.example", "other.example"]

    def test_a_file_over_a_socket(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                left, right = handler.socket_module.socketpair()

                def write() -> None:
                    with right, right.makefile("wb") as file:
                        for number in range(10_000):
                            file.write(b"%d\n" % number)

                def read() -> list[int]:
                    with left, left.makefile("rb") as file:
                        return [int(line) for line in file]

                _, lines = await asyncio.gather(handler.call(write), handler.call(read))
                assert lines == list(range(10_000))

        run(main())

    def test_timeouts(self) -> None:
        async def main() -> None:
            async with new_handler() as handler:
                left, right = handler.socket_module.socketpair()
                with left, right:
                    left.settimeout(0.001)
                    assert left.gettimeout() == left.timeout == 0.001
                    with pytest.raises(TimeoutError):
                        await handler.call(left.recv, 1)
                    left.setblocking(False)
                    assert not left.getblocking()
                    with pytest.raises(BlockingIOError):
                        left.recv(1)
                    with pytest.raises(BlockingIOError):
                        left.sendall(bytes(10_000_000))
                    with pytest.raises(ValueError, match="out of range"):
                        left.settimeout(-1)

        run(main())


class TestQueue(AsyncioProcess, Suite):
    def test_between_tasks_and_threads(self, handler: Handler) -> None:
        queue = handler.queue_impl(2)
        got: list[int] = []

        def consume() -> None:
            for _ in range(50):
                got.append(queue.get(timeout=LIMIT))
                queue.task_done()

        def produce() -> None:
            for number in range(50):
                queue.put(number, timeout=LIMIT)

        tasks = [handler.spawn(consume), handler.spawn(produce)]
        threads = [self.os_thread(produce), self.os_thread(consume)]
        self.ended(*tasks)
        for thread in threads:
            thread.result(handler)
        queue.join()
        assert sorted(got) == sorted([*range(50), *range(50)])

    def test_a_thread_waits_for_a_task(self, handler: Handler) -> None:
        queue = handler.queue_impl()
        thread = self.os_thread(lambda: queue.get(timeout=LIMIT))
        handler.spawn(queue.put, 1)
        assert thread.result(handler) == 1
        with pytest.raises(handler.queue_empty):
            queue.get(timeout=0.001)


class TestThreads(AsyncioProcess, Suite):
    def test_from_threads(self, handler: Handler) -> None:
        ran: list[int] = []

        def work() -> list[Any]:
            result = handler.async_result()
            result.link(lambda done: ran.append(done.value))
            self.dispatch(handler, result.set, 1)
            event = handler.event_object()
            handler.spawn(event.set)
            return [result.get(timeout=LIMIT), result.wait(), event.wait(LIMIT)]

        threads = [self.os_thread(work) for _ in range(5)]
        assert [thread.result(handler) for thread in threads] == [[1, True, True]] * 5
        handler.stop()
        assert ran == [1] * 5

    def test_sockets_in_a_thread(self, handler: Handler) -> None:
        def work() -> bytes:
            left, right = handler.create_socket_pair()
            with left, right:
                handler.spawn(right.send, b"x")
                assert handler.select([left], [], [], LIMIT) == ([left], [], [])
                data: bytes = left.recv(1)
                left.settimeout(0.001)
                with pytest.raises(TimeoutError):
                    left.recv(1)
                return data

        assert self.os_thread(work).result(handler) == b"x"


class TestFork(AsyncioProcess, Suite):
    @pytest.mark.parametrize(
        ("last", "status"), [("pass", 0), ("raise SystemExit(3)", 3), ("raise ValueError", 1)]
    )
    def test_a_task_that_forks_ends_the_child_with_it(self, last: str, status: int) -> None:
        printed = self.run_script(
            f"""
            import os, sys
            handler.start()
            pids = []
            def fork():
                pids.append(os.fork())
                if not pids[0]:
                    sys.excepthook = lambda *args: None
                    handler.sleep_func(0.001)
                    {last}
            handler.spawn(fork).join()
            print(exit_status(pids[0]))
            handler.dispatch_callback(Callback("test", print, ("parent goes on",)))
            handler.stop()
            """
        )
        assert printed == f"{status}\nparent goes on\n"

    def test_the_parents_sockets_are_still_watched(self) -> None:
        printed = self.run_script(
            """
            import os
            left, right = handler.create_socket_pair()
            def watch():
                return handler.select([left], [], [], 60)
            got = []
            task = handler.spawn(lambda: got.append(watch() == ([left], [], [])))
            handler.sleep_func(0.01)
            pid = os.fork()
            if not pid:
                left.close()
                right.close()
                os._exit(0)
            assert exit_status(pid) == 0
            right.send(b"x")
            task.join()
            print(got)
            """
        )
        assert printed == "[True]\n"


class _Broken:
    def __enter__(self) -> None:
        raise RuntimeError("as planned")

    def __exit__(self, *_: object) -> None:
        raise AssertionError("it was not entered")


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _raise(exception: BaseException) -> None:
    raise exception
