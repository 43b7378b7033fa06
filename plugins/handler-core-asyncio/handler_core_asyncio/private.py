"""The loop of programs that run none: one a process, in a daemon thread."""

from __future__ import annotations

import asyncio
import os
import sys
import threading

from handler_core_asyncio.hub import AsyncioHub

__all__ = ["is_private", "private_hub"]

_hub: AsyncioHub | None = None
_lock = threading.Lock()


def private_hub() -> AsyncioHub:
    """Return the hub of this process's private loop, which is started with the first use.

    Raises:
        RuntimeError: no thread can be started.
    """
    global _hub
    with _lock:
        if _hub is None:
            loop = asyncio.new_event_loop()
            threading.Thread(
                target=_run, args=(loop,), name="handler-core-asyncio", daemon=True
            ).start()
            _hub = asyncio.run_coroutine_threadsafe(_make_hub(loop), loop).result()
        return _hub


def is_private(hub: object) -> bool:
    """Return True for the hub of the private loop."""
    return hub is not None and hub is _hub


async def _make_hub(loop: asyncio.AbstractEventLoop) -> AsyncioHub:
    hub = AsyncioHub.current()
    assert hub is not None
    return hub


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    while True:
        try:
            loop.run_forever()
        except (KeyboardInterrupt, SystemExit):
            # Of one task: as in any thread but the main one, it is no reason to end the others.
            kind, error, traceback = sys.exc_info()
            assert kind is not None
            threading.excepthook(
                threading.ExceptHookArgs((kind, error, traceback, threading.current_thread()))
            )


def _forget() -> None:
    """Start anew in a forked child, where the thread is not."""
    global _hub, _lock, _parents
    _parents = _hub  # its end would be the end of what the parent's loop watches
    _hub, _lock = None, threading.Lock()


_parents: AsyncioHub | None = None

os.register_at_fork(after_in_child=_forget)
