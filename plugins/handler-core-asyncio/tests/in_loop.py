"""Runs a program in a greenlet of an event loop, in place of the interpreter.

``python in_loop.py asyncio -c SOURCE`` or ``python in_loop.py uvloop -m pytest ...``.
"""

import asyncio
import runpy
import sys

from handler_core import get_handler


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


async def main() -> None:
    await get_handler("asyncio").call(program)


if __name__ == "__main__":
    if sys.argv[1] == "uvloop":
        import uvloop

        uvloop.run(main())
    else:
        asyncio.run(main())
