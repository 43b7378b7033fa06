"""Runs a program as the interpreter does, but in a greenlet of trio.

``python in_loop.py -c SOURCE`` or ``python in_loop.py -m pytest ...``.
"""

import runpy
import sys

import trio

from handler_core import get_handler


def program() -> None:
    option, what = sys.argv[1:3]
    if option == "-c":
        sys.argv[:3] = ["-c"]
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    else:
        assert option == "-m"
        del sys.argv[:2]
        sys.path.insert(0, "")
        runpy.run_module(what, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    trio.run(get_handler("trio").call, program)
