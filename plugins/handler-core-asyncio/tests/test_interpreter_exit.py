"""The interpreter exits while a daemon thread runs a loop."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from handler_core.testing import LIMIT

LOOPS = {
    "asyncio": "",
    "uvloop": "import uvloop; asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())",
}


def printed_by(loop: str, body: str) -> str:
    """Run a program in a process of its own; return what it printed."""
    prelude = f"""
        import faulthandler
        faulthandler.enable()
        faulthandler.dump_traceback_later({LIMIT}, exit=True)
        import asyncio, atexit, threading, time
        {LOOPS[loop]}
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(prelude) + textwrap.dedent(body)],
        capture_output=True,
        text=True,
        timeout=2 * LIMIT,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("loop", LOOPS)
def test_tasks_run_in_a_loop_of_the_program(loop: str) -> None:
    printed = printed_by(
        loop,
        """
        from handler_core import get_handler

        handler = get_handler("asyncio")
        turned = threading.Event()

        def turn():
            ours, theirs = handler.create_socket_pair()
            while True:
                for _ in range(100):
                    theirs.send(b"x")
                    handler.select([ours], [], [], 1)
                    ours.recv(1)
                    handler.sleep_func(0)
                    handler.sleep_func(0.0001)
                turned.set()

        async def main():
            await asyncio.gather(*(handler.call(turn) for _ in range(20)))

        threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
        turned.wait()
        print("end")
        """,
    )
    assert printed == "end\n"


@pytest.mark.parametrize("loop", LOOPS)
def test_a_function_that_runs_later_needs_the_private_loop(loop: str) -> None:
    printed = printed_by(
        loop,
        """
        # What was registered first runs last.
        @atexit.register
        def late():
            result = handler.async_result()
            ours, theirs = handler.create_socket_pair()

            def answer():
                handler.select([ours], [], [])
                handler.sleep_func(0.001)
                result.set(ours.recv(1))

            handler.spawn(answer)
            theirs.send(b"x")
            print(result.get())
            handler.stop()

        from handler_core import get_handler

        handler = get_handler("asyncio")
        handler.start()
        """,
    )
    assert printed == "b'x'\n"


@pytest.mark.parametrize("loop", LOOPS)
def test_a_callback_blocks_the_private_loop_for_ever(loop: str) -> None:
    printed = printed_by(
        loop,
        """
        from handler_core import Callback, get_handler

        handler = get_handler("asyncio")
        handler.start()
        blocked = threading.Event()
        handler.dispatch_callback(Callback("test", lambda: (blocked.set(), time.sleep(3600)), ()))
        blocked.wait()
        print("end")
        """,
    )
    assert printed == "end\n"


@pytest.mark.parametrize("loop", LOOPS)
def test_a_function_that_runs_later_takes_long(loop: str) -> None:
    """The loop turns seldom meanwhile, so its thread is not likely to be in a task at the end."""
    printed = printed_by(
        loop,
        """
        # What was registered first runs last.
        @atexit.register
        def late():
            turns = len(turned)
            deadline = time.monotonic() + 10
            while len(turned) == turns and time.monotonic() < deadline:
                time.sleep(0.01)
            print("turns" if len(turned) > turns else "stands still")

        from handler_core import get_handler

        handler = get_handler("asyncio")
        turned = []

        def turn():
            while True:
                handler.sleep_func(0)
                turned.append(None)

        handler.spawn(turn)
        while not turned:
            time.sleep(0.001)
        """,
    )
    assert printed == "turns\n"
