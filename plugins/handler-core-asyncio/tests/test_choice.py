"""Which model ``get_handler()`` takes where a loop and greenlets of a library share a thread.

Each program runs in a process of its own, because a process can be patched only once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from own_loop import own_loop

from handler_core.testing import LIMIT

pytestmark = own_loop

HUBS = {
    "gevent": "from gevent import monkey, spawn; join = 'get'",
    "gevent patched": "from gevent import monkey, spawn; join = 'get'; monkey.patch_all()",
    "eventlet": "import eventlet; spawn = eventlet.spawn; join = 'wait'",
    "eventlet patched": (
        "import eventlet; spawn = eventlet.spawn; join = 'wait'; eventlet.monkey_patch()"
    ),
}

LOOPS = {
    "asyncio": "import asyncio; from asyncio import new_event_loop, run",
    "uvloop": "import asyncio; from uvloop import new_event_loop, run",
}


def printed_by(*parts: str) -> str:
    """Run a program in a process of its own; return what it printed."""
    source = "\n".join(textwrap.dedent(part) for part in parts)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", source],
        env={name: value for name, value in os.environ.items() if "HANDLER_CORE" not in name},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("hub", HUBS)
def test_the_innermost_model_is_chosen(hub: str, loop: str) -> None:
    printed = printed_by(
        HUBS[hub],
        LOOPS[loop],
        """
        import greenlet
        from handler_core import get_handler

        class Greenlet(greenlet.greenlet):
            pass

        def name():
            return get_handler().name

        def beside():
            return getattr(spawn(name), join)()

        def in_two():
            return Greenlet(lambda: Greenlet(name).switch()).switch()

        def all_four():
            return name(), beside(), Greenlet(name).switch(), in_two()

        async def main():
            loop = asyncio.get_running_loop()
            handler = get_handler("asyncio")
            called_soon = loop.create_future()
            loop.call_soon(lambda: called_soon.set_result(all_four()))
            print(*all_four())
            print(*await called_soon)
            print(*await handler.call(all_four))
            print(*await handler.call(lambda: (handler.sleep_func(0.001), all_four())[1]))

        run(main())
        getattr(spawn(run, main()), join)()
        print(beside(), name())
        """,
    )
    library, _, patched = hub.partition(" ")
    in_the_loop = f"asyncio {library} asyncio asyncio\n" * 4
    outside = f"{library} {library if patched else 'threading'}\n"
    assert printed == in_the_loop + in_the_loop + outside


@pytest.mark.parametrize("loop", LOOPS)
def test_a_thread_whose_function_is_the_loops_own(loop: str) -> None:
    printed = printed_by(
        LOOPS[loop],
        """
        import threading
        from handler_core import get_handler

        loop = new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        loop.call_soon_threadsafe(lambda: (print(get_handler().name), loop.stop()))
        thread.join()
        """,
    )
    assert printed == "asyncio\n"


@pytest.mark.parametrize("hub", ["gevent", "gevent patched"])
def test_a_loop_of_a_sibling_does_not_run_the_caller(hub: str) -> None:
    printed = printed_by(
        HUBS[hub],
        """
        import asyncio, gevent.event, greenlet, uvloop
        from handler_core import get_handler
        from handler_core_asyncio import SequentialAsyncioHandler

        def names():
            assert asyncio._get_running_loop() is not None
            return get_handler().name, SequentialAsyncioHandler.is_active()

        def run_callback(loop, callback):
            loop.call_soon(lambda: (callback(), loop.stop()))
            loop.run_forever()
            loop.close()

        async def call(func):
            func()

        for new_loop in asyncio.new_event_loop, uvloop.new_event_loop:
            event = gevent.event.Event()
            for run in (
                lambda: run_callback(new_loop(), event.wait),
                lambda: new_loop().run_until_complete(call(event.wait)),
            ):
                running = gevent.spawn(run)
                gevent.sleep(0)
                print(*names(), *gevent.spawn(names).get(), *greenlet.greenlet(names).switch())
                event.set()
                running.get()
                event.clear()
        """,
    )
    main = "gevent" if "patched" in hub else "threading"
    assert printed == f"{main} False gevent False {main} False\n" * 4


@pytest.mark.parametrize("hub", HUBS)
def test_an_os_thread_and_the_tasks_of_another_handler(hub: str) -> None:
    printed = printed_by(
        HUBS[hub],
        """
        import asyncio
        from handler_core import Callback, get_handler
        from handler_core_asyncio import SequentialAsyncioHandler
        from handler_core_greenlet._native import unpatched

        def names():
            return get_handler().name, SequentialAsyncioHandler.is_active()

        def of_callback(handler):
            with handler:
                result = handler.callback_object()
                handler.dispatch_callback(Callback("test", lambda: result.set(names()), ()))
                return result.get()

        async def main():
            of_thread = []
            unpatched("_thread").start_new_thread(lambda: of_thread.append(names()), ())
            while not of_thread:
                await asyncio.sleep(0.001)
            print(*of_thread)
            # A callback of the library's handler, and of this one.
            library = spawn.__module__.partition(".")[0]
            print(getattr(spawn(of_callback, get_handler(library)), join)())
            print(await get_handler().call(of_callback, get_handler()))

        asyncio.run(main())
        """,
    )
    library, _, patched = hub.partition(" ")
    other = library if patched else "threading"
    assert printed == f"('{other}', False)\n('{library}', False)\n('asyncio', True)\n"


def test_on_eventlets_asyncio_hub() -> None:
    printed = printed_by(
        """
        import eventlet, eventlet.asyncio, eventlet.hubs, greenlet
        eventlet.hubs.use_hub("eventlet.hubs.asyncio")
        eventlet.monkey_patch()
        import asyncio
        from handler_core import get_handler
        from handler_core_asyncio import SequentialAsyncioHandler

        def name():
            return get_handler().name

        def names():
            return name(), SequentialAsyncioHandler.is_active()

        def waits_in_both(handler):
            for sleep in (eventlet.sleep, handler.sleep_func) * 2:
                sleep(0.001)
            return name(), asyncio.current_task()

        async def coroutine():
            handler = get_handler()
            print("in a coroutine", name())
            print("in a greenlet of it", greenlet.greenlet(name).switch())
            print("called by it", await handler.call(name))
            called, task = await handler.call(waits_in_both, handler)
            print("called by it", called, task is asyncio.current_task())
            print("beside it", await handler.call(lambda: eventlet.spawn(names).wait()))

        def green():
            print("in a green thread", *names())
            print("in a greenlet of it", *greenlet.greenlet(names).switch())
            handler = get_handler()
            handler.start()
            result = handler.callback_object()
            handler.spawn(result.set, 1)
            print(result.get(timeout=20))
            handler.stop()
            eventlet.spawn_n(lambda: print("spawn_n", name()))
            eventlet.sleep(0)

        print("main", name())
        eventlet.spawn(green).wait()
        eventlet.asyncio.spawn_for_awaitable(coroutine()).wait()
        """
    )
    assert printed.splitlines() == [
        "main eventlet",
        "in a green thread eventlet False",
        "in a greenlet of it eventlet False",
        "1",
        "spawn_n eventlet",
        "in a coroutine asyncio",
        "in a greenlet of it asyncio",
        "called by it asyncio",
        "called by it asyncio True",
        "beside it ('eventlet', False)",
    ]
