"""Runs a program on a model: ``python STEP.py MODEL``. The default is threads.

The variable ``MEMCACHED`` names the server. The default is ``127.0.0.1:11211``.
"""

import os
import sys
from collections.abc import Callable

from handler_core import Handler, get_handler

Address = tuple[str, int]


def address() -> Address:
    host, _, port = os.environ.get("MEMCACHED", "127.0.0.1:11211").rpartition(":")
    return host, int(port)


def run(main: Callable[[Handler, Address], object]) -> None:
    handler = get_handler(sys.argv[1] if len(sys.argv) > 1 else "threading")

    def program() -> None:
        with handler:
            main(handler, address())

    if handler.has_event_loop:
        handler.run_loop(handler.call, program)
    else:
        program()
