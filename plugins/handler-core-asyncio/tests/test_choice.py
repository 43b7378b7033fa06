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
    "asyncio": "import asyncio; run = asyncio.run",
    "uvloop": "import asyncio, uvloop; run = uvloop.run",
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

        def name():
            return get_handler().name

        def beside():
            return getattr(spawn(name), join)()

        async def main():
            handler = get_handler("asyncio")
            called_soon = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(lambda: called_soon.set_result(name()))
            print(name(), beside(), greenlet.greenlet(name).switch())
            print(await called_soon)
            print(await handler.call(name))

        run(main())
        getattr(spawn(run, main()), join)()
        print(beside(), name())
        """,
    )
    library, _, patched = hub.partition(" ")
    in_the_loop = f"asyncio {library} asyncio\nasyncio\nasyncio\n"
    outside = f"{library} {library if patched else 'threading'}\n"
    assert printed == in_the_loop + in_the_loop + outside


@pytest.mark.parametrize("hub", ["gevent", "gevent patched"])
def test_a_loop_of_a_sibling_does_not_run_the_caller(hub: str) -> None:
    printed = printed_by(
        HUBS[hub],
        """
        import asyncio, gevent.event, greenlet
        from handler_core import get_handler
        from handler_core_asyncio import SequentialAsyncioHandler

        def names():
            assert asyncio._get_running_loop() is not None
            return get_handler().name, SequentialAsyncioHandler.is_active()

        async def wait_for(event):
            event.wait()

        event = gevent.event.Event()
        running = gevent.spawn(asyncio.run, wait_for(event))
        gevent.sleep(0)
        print(*names(), *gevent.spawn(names).get(), *greenlet.greenlet(names).switch())
        event.set()
        running.get()
        """,
    )
    main = "gevent" if "patched" in hub else "threading"
    assert printed == f"{main} False gevent False {main} False\n"


def test_on_eventlets_asyncio_hub() -> None:
    printed = printed_by(
        """
        import eventlet, eventlet.asyncio, eventlet.hubs, greenlet
        eventlet.hubs.use_hub("eventlet.hubs.asyncio")
        eventlet.monkey_patch()
        from handler_core import get_handler

        def name():
            return get_handler().name

        async def coroutine():
            print("in a coroutine", name())
            print("called by it", await get_handler().call(name))

        def green():
            print("in a green thread", name())
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
        "in a green thread eventlet",
        "1",
        "spawn_n eventlet",
        "in a coroutine asyncio",
        "called by it asyncio",
    ]
