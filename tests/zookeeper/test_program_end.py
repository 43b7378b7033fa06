"""A program ends, wherever it stops its client.

Each program runs in a process of its own, which is patched as this one is.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing import LIMIT, LONG, ZooKeeperServer

_PATCH = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
    "": "",
}

_PRELUDE = """
import faulthandler, atexit, os, signal, sys, threading
faulthandler.dump_traceback_later({limit}, exit=True)
from handler_core import get_handler
from kazoo.client import KazooClient

handler = get_handler({model!r})
client = KazooClient({hosts!r}, handler=handler)
"""

_PROGRAMS = {
    "in a watch": """
        client.start()
        client.ensure_path("/program-end")
        stopped = handler.event_object()

        def changed(event):
            client.stop()
            stopped.set()

        client.get("/program-end", watch=changed)
        client.set("/program-end", b"x")
        assert stopped.wait(30)
    """,
    "in a signal handler": """
        def on_signal(*_):
            client.stop()
            client.close()

        signal.signal(signal.SIGTERM, on_signal)
        client.start()
        client.get_children("/")
        os.kill(os.getpid(), signal.SIGTERM)
    """,
    "at exit": """
        def stop():
            client.stop()
            client.close()

        atexit.register(stop)
        client.start()
        client.get_children("/")
    """,
    "nowhere": """
        client.start()
        client.get_children("/")
    """,
    # Where the model has a hub, kazoo's own greenlets have ended with it. So kazoo raises an error
    # when it has waited for them.
    "after its thread": """
        thread = threading.Thread(target=lambda: (client.start(), client.get_children("/")))
        thread.start()
        thread.join()
        try:
            client.stop()
        except Exception as error:
            assert "prior connection" in str(error) or "has ended" in str(error), error
    """,
    "after its loop": """
        async def main():
            await handler.call(client.start)
            await handler.call(client.get_children, "/")

        if handler.name == "asyncio":
            import asyncio

            asyncio.run(main())
        else:
            import trio

            trio.run(main)
        try:
            client.stop()
        except Exception as error:
            assert "prior connection" in str(error) or "has ended" in str(error), error
    """,
}


def _patched_by() -> str:
    modules: Any = sys.modules
    if "gevent.monkey" in modules and modules["gevent.monkey"].is_module_patched("socket"):
        return "gevent"
    if "eventlet.patcher" in modules and modules["eventlet.patcher"].is_monkey_patched("socket"):
        return "eventlet"
    return ""


@pytest.mark.parametrize("where", _PROGRAMS)
def test_a_program_ends_that_stops_its_client(
    where: str, server: ZooKeeperServer, handler: Handler
) -> None:
    if where == "after its loop" and handler.name not in ("asyncio", "trio"):
        pytest.skip("this model has no loop")
    program = "\n".join(
        (
            _PATCH[_patched_by()],
            _PRELUDE.format(limit=LIMIT, model=handler.name, hosts=server.hosts),
            textwrap.dedent(_PROGRAMS[where]),
            "print('end', flush=True)",
        )
    )
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "end\n"
    assert "Traceback" not in ended.stderr
