"""What is still to be sent when a loop ends.

A ``send`` of a :class:`LoopConnection`, and its ``close``, may return before the kernel has taken
all bytes. The loop sends them in its next turns. If the loop ends before, a thread sends them, and
the exit of the interpreter waits for that thread. So a program loses no more than it would with a
blocking socket, which leaves its bytes to the kernel.

The other end may take nothing more. Then the thread gives up, and logs how many bytes were lost.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
import time
from collections.abc import Callable, Collection
from typing import Any, Protocol

from handler_core.network import blocking_select
from handler_core_greenlet._native import allocate_lock, start_os_thread, threads_are_green

__all__ = ["Unsent", "give_up", "send_without_loop", "wait_for_late_sends"]

#: For how many seconds the other end may take nothing. A shorter timeout of the socket counts.
PATIENCE = 10.0


class Unsent(Protocol):
    """Something that has bytes to send. All methods are safe from any thread."""

    def fileno(self) -> int:
        """Return the descriptor; -1 if it is closed."""

    def gettimeout(self) -> float | None:
        """Return for how many seconds a send may wait."""

    def offer(self) -> bool:
        """Give the kernel what it takes; return True if it takes any."""

    def count_unsent(self) -> int:
        """Return how many bytes are left: 0 if all are sent, or if they cannot be."""

    def forget_unsent(self) -> None:
        """Send nothing more."""


#: One lock for each thread that sends. The thread holds it until it has ended.
_running: list[Any] = []
os.register_at_fork(after_in_child=_running.clear)  # a child has none of the threads


def send_without_loop(unsent: Collection[Unsent]) -> None:
    """Send in a thread what a loop has left. If no thread can be started, send it here and now."""
    for each in unsent:
        each.offer()
    rest = [each for each in unsent if each.count_unsent()]
    if not rest:
        return
    done = allocate_lock()
    done.acquire()
    _running.append(done)

    def run() -> None:
        try:
            _send(rest)
        finally:
            _running.remove(done)
            done.release()

    try:
        _start(run)
    except RuntimeError:  # the interpreter exits, or the system has no thread left
        run()


def _start(run: Callable[[], object]) -> None:
    name = "handler-core late sends"
    if threads_are_green():
        start_os_thread(run, name)
    else:
        # It is no daemon, because a child process of `multiprocessing` waits for such threads only.
        context = contextvars.Context()
        context.run(threading.Thread(target=run, name=name, daemon=False).start)


def give_up(unsent: Unsent, seconds: float) -> None:
    """Send no more, since the other end took nothing for so many seconds, and log what is lost."""
    count = unsent.count_unsent()
    if count:
        logging.getLogger("handler_core").warning(
            "%d bytes that a connection had taken are lost: it was closed, or its event loop has "
            "ended, and the other end took nothing for %g seconds",
            count,
            seconds,
        )
        unsent.forget_unsent()


def wait_for_late_sends() -> None:
    """Wait until the threads that :func:`send_without_loop` has started have ended."""
    for done in _running.copy():
        with done:
            pass


def _send(rest: list[Unsent]) -> None:
    deadlines = {id(each): time.monotonic() + _patience(each) for each in rest}
    while rest:
        seconds = max(0, min(deadlines[id(each)] for each in rest) - time.monotonic())
        try:
            _, writable, _ = blocking_select([], rest, [], seconds)
        except (OSError, ValueError):  # one was closed meanwhile, and has nothing left
            writable = rest
        for each in writable:
            if each.offer():
                deadlines[id(each)] = time.monotonic() + _patience(each)
        for each in rest:
            if deadlines[id(each)] <= time.monotonic():
                give_up(each, _patience(each))
        rest = [each for each in rest if each.count_unsent()]


def _patience(unsent: Unsent) -> float:
    return min(unsent.gettimeout() or PATIENCE, PATIENCE)
