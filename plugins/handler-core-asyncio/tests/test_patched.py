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
@pytest.mark.parametrize("where", ["a greenlet", "a thread", "an OS thread"])
def test_beside_the_loop_a_caller_may_wait(hub: str, where: str) -> None:
    printed = printed_by(
        HUBS[hub],
        f"where = {where!r}",
        """
        import asyncio, queue, threading
        from handler_core import get_handler
        from handler_core_greenlet._native import unpatched

        def begin(func):
            if where == "a greenlet":
                spawn(func)
            elif where == "a thread":
                threading.Thread(target=func).start()
            else:
                unpatched("_thread").start_new_thread(func, ())

        async def result_of(func):
            loop, outcome = asyncio.get_running_loop(), asyncio.Future()

            def run():
                try:
                    loop.call_soon_threadsafe(outcome.set_result, func())
                except BaseException as error:
                    loop.call_soon_threadsafe(outcome.set_exception, error)

            begin(run)
            return await outcome

        async def main():
            handler = get_handler()
            handler.start()
            loop = asyncio.get_running_loop()

            def let(func):
                loop.call_soon_threadsafe(loop.call_later, 0.005, func)

            def result():
                result = handler.callback_object()
                let(lambda: result.set("a result"))
                return result.get()

            def timeout():
                try:
                    handler.callback_object().get(timeout=0.001)
                except handler.timeout_exception:
                    return "a timeout"

            def event():
                event = handler.event_object()
                let(event.set)
                return event.wait()

            def lock():
                lock = handler.lock_object()
                lock.acquire()
                let(lock.release)
                return lock.acquire()

            def from_a_queue():
                full = handler.queue_impl(1)
                full.put("from a queue")
                try:
                    full.put_nowait(1)
                except queue.Full:
                    let(lambda: full.put_nowait("again"))
                    return full.get(), full.get()

            def from_a_socket():
                one, other = handler.create_socket_pair()
                let(lambda: one.send(b"x"))
                assert handler.select([other], [], []) == ([other], [], [])
                return other.recv(1)

            def from_a_server():
                with handler.create_connection(("localhost", port)) as connection:
                    return connection.recv(1)

            def slept():
                handler.sleep_func(0)
                return handler.sleep_func(0.001)

            def ended():
                task = handler.spawn(handler.sleep_func, 0.001)
                task.join()
                return task.is_alive()

            def drained():
                ran = []
                another = get_handler("asyncio")
                handler.spawn(another.start).join()
                result = another.callback_object()
                result.link(lambda _: ran.append("ran"))
                result.set()
                another.stop()
                return ran

            server = await asyncio.start_server(lambda _, client: client.write(b"y"), "127.0.0.1")
            port = server.sockets[0].getsockname()[1]
            for func in (
                result, timeout, event, lock, from_a_queue, from_a_socket, from_a_server, slept,
                ended, drained,
            ):
                print(await result_of(func))

        asyncio.run(main())
        """,
    )
    assert printed.splitlines() == [
        "a result",
        "a timeout",
        "True",
        "True",
        "('from a queue', 'again')",
        "b'x'",
        "b'y'",
        "None",
        "False",
        "['ran']",
    ]


@pytest.mark.parametrize("hub", PATCHED)
def test_the_loop_itself_may_not_wait(hub: str) -> None:
    printed = printed_by(
        HUBS[hub],
        """
        import asyncio
        from handler_core import get_handler

        async def main():
            handler = get_handler()
            in_callback = asyncio.Future()

            def wait():
                try:
                    handler.callback_object().get()
                except RuntimeError as error:
                    return error

            asyncio.get_running_loop().call_soon(lambda: in_callback.set_result(wait()))
            print(wait())
            print(await in_callback)

        asyncio.run(main())
        """,
    )
    assert printed.count("this would block the event loop") == 2


@pytest.mark.parametrize("hub", PATCHED)
def test_many_tasks_wait_in_both_libraries(hub: str) -> None:
    """No task, nor the loop, is resumed by what has come for an earlier wait.

    eventlet's `select` resumes its caller once for each socket that is ready.
    """
    printed = printed_by(
        HUBS[hub],
        """
        import asyncio, select, socket, time
        from handler_core import get_handler

        async def main():
            handler = get_handler()
            handler.start()
            pairs = [handler.create_socket_pair() for _ in range(10)]

            def work(one, other):
                # Two descriptors of the loop's are ready, and two of the task's own.
                ours, theirs = socket.socketpair()
                again, last = socket.socketpair()
                for _ in range(5):
                    time.sleep(0.0005)
                    one.send(b"x")
                    assert other.recv(1) == b"x"
                    theirs.send(b"y")
                    last.send(b"y")
                    assert select.select([ours, again], [], [], 20)[0]
                    handler.sleep_func(0.0005)
                    assert ours.recv(1) == again.recv(1) == b"y"
                    result = handler.callback_object()
                    spawn(result.set, "set")
                    assert result.get() == "set"
                return 1

            print(sum(await asyncio.gather(*(handler.call(work, *pair) for pair in pairs))))

        asyncio.run(main())
        """,
    )
    assert printed == "10\n"


@pytest.mark.parametrize("hub", PATCHED)
def test_after_the_loop_a_caller_may_wait(hub: str) -> None:
    printed = printed_by(
        HUBS[hub],
        """
        import asyncio
        from handler_core import get_handler

        handler = get_handler("asyncio")

        async def main():
            async with handler:
                pass

        asyncio.run(main())
        result = handler.callback_object()
        spawn(result.set, "set by a greenlet")
        print(result.get())
        one, other = handler.create_socket_pair()
        spawn(one.send, b"x")
        print(handler.select([other], [], []) == ([other], [], []), other.recv(1))
        spawn(lambda: (handler.sleep_func(0.001), one.send(b"y")))
        print(other.recv(1))
        """,
    )
    assert printed == "set by a greenlet\nTrue b'x'\nb'y'\n"


@pytest.mark.parametrize("hub", PATCHED)
@pytest.mark.parametrize(
    ("then", "status"),
    [
        ("return", 0),
        ("raise KeyError", 1),
        ("sys.exit(7)", 7),
        ("asyncio.run(start_and_stop())", 0),
        ("handler.start()", 0),
    ],
)
def test_a_child_goes_on_and_ends(hub: str, then: str, status: int) -> None:
    printed = printed_by(
        HUBS[hub],
        f"""
        import asyncio, os, sys, time
        from handler_core import get_handler

        handler = get_handler("asyncio")

        async def start_and_stop():
            async with get_handler() as handler:
                result = handler.callback_object()
                handler.spawn(result.set)
                await result

        def fork():
            handler.spawn(handler.sleep_func, 60)
            handler.sleep_func(0.001)
            pid = os.fork()
            if not pid:
                sys.stderr = open(os.devnull, "w")
                handler.sleep_func(0.001)
                time.sleep(0.001)
                {then}
                return None
            while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
                handler.sleep_func(0.001)
            return os.waitstatus_to_exitcode(ended[1])

        async def main():
            print(await handler.call(fork))

        asyncio.run(main())
        """,
    )
    assert printed == f"{status}\n"


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
    assert printed.count("no event loop runs in this thread") == 2


def test_a_process_that_a_debugger_follows_is_not_patched() -> None:
    printed = printed_by(
        """
        import _thread
        start = _thread.start_new_thread
        def followed(*args, **kwargs):
            return start(*args, **kwargs)
        _thread.start_new_thread = followed
        import threading
        threading._start_new_thread = followed
        from handler_core import get_handler

        with get_handler("asyncio") as handler:
            handler.spawn(print, "spawned").join()
        """
    )
    assert printed == "spawned\n"
