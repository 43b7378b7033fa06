"""Runs a program as the interpreter does, but in a greenlet of an event loop.

``python in_loop.py asyncio -c SOURCE`` or ``python in_loop.py uvloop -m pytest ...``. Instead of
the loop's name, ``gevent`` and ``eventlet`` stand for asyncio's own loop in a process that this
library has patched first.
"""

import runpy
import sys
import warnings

if sys.argv[1] == "gevent":
    from gevent import monkey

    monkey.patch_all()
elif sys.argv[1] == "eventlet":
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
        import eventlet
    eventlet.monkey_patch()

import asyncio

from handler_core import get_handler
from handler_core.execution import report_error


def program() -> None:
    option, what = sys.argv[2:4]
    if option == "-c":
        sys.argv[:4] = ["-c"]
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    else:
        assert option == "-m"
        del sys.argv[:3]
        sys.path.insert(0, "")
        runpy.run_module(what, run_name="__main__", alter_sys=True)


def main() -> None:
    new_loop = None
    if sys.argv[1] == "uvloop":
        import uvloop

        new_loop = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=new_loop) as runner:
        loop = runner.get_loop()
        task = loop.create_task(get_handler("asyncio").call(program))
        while not task.done():
            try:
                loop.run_until_complete(task)
            except (KeyboardInterrupt, SystemExit) as error:
                if task.done():
                    raise
                # Another task has raised it. It ends the loop's turn, but the program goes on.
                report_error(error)


if __name__ == "__main__":
    main()
