"""What a forked child does with the hub that it has inherited.

The child's hub still waits for what the parent's tasks wait for. Those tasks are frozen
(:mod:`handler_core.green._fork`), so nobody would ever take what the hub reports: a descriptor that
stays readable would keep the hub busy for ever, and a hub that waits does not end. So the hub stops
that, at its first turn in the child. A child that calls ``exec`` never gets there.

An ``epoll``, and the pipe by which a loop wakes itself, are shared between parent and child. A
descriptor that the child takes out of a shared ``epoll`` is taken out for the parent too, which
then waits for ever. So the child's hub gets its own ones, inside ``fork``.

The functions take the hub of a library, and know it by what it has: a loop as in gevent, or
listeners and timers as in eventlet. They are here and not in a plugin because the threads of a
patched process need them too.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import socket
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from handler_core.execution._fork import this_process
from handler_core.green._fork import FreezableTask, frozen_greenlets, is_frozen

__all__ = ["remove_frozen_listeners", "renew_hub", "stop_frozen_watchers"]

# What the search for greenlets does not enter: it would lead to everything.
_TOO_FAR = (type, types.ModuleType, types.FrameType, types.CodeType, types.TracebackType)

# A class with one of these methods is that of a hub or a loop, of gevent, eventlet, asyncio or
# handler-core.
_NAMES_OF_HUBS = ("handle_error", "run_callback", "schedule_call_global", "call_soon")

# After so many objects the search for greenlets gives up.
_LONGEST_SEARCH = 100


def _once_after_a_fork(func: Callable[[Any], None]) -> Callable[[Any], None]:
    """Let a function do its work once in each process, however many handlers call it."""
    generation = 0

    @functools.wraps(func)
    def call(hub: Any) -> None:
        nonlocal generation
        if generation != this_process.generation:
            generation = this_process.generation
            func(hub)

    return call


@_once_after_a_fork
def stop_frozen_watchers(loop: Any) -> None:
    """Stop all watchers of a loop like gevent's that only frozen greenlets wait for.

    gevent has no list of them, so this looks at all objects of the process: 1 to 3 milliseconds
    in a small one, 30 with a million objects. To count each watcher as it starts and stops would
    cost every wait of every process, and few processes fork a child that goes on to use its hub.

    Args:
        loop: the loop of the current thread's hub.
    """
    kinds = _with_subclasses(type(loop.timer(0)).__mro__[-2])
    for watcher in [each for each in gc.get_objects() if type(each) in kinds]:
        # libuv has one watcher for each descriptor, with a part for each of those who wait.
        for part in getattr(watcher, "_multiplex_watchers", [watcher]):
            if part.active and _leads_to_frozen_only([part.callback, *(part.args or ())]):
                part.stop()
    _leave_queues()


@_once_after_a_fork
def remove_frozen_listeners(hub: Any) -> None:
    """Take out of a hub like eventlet's the listeners and timers of frozen greenlets.

    Args:
        hub: the hub of the current thread.
    """
    for kind in hub.READ, hub.WRITE:
        further = [each for listeners in hub.secondaries[kind].values() for each in listeners]
        for listener in [*hub.listeners[kind].values(), *further]:
            if _leads_to_frozen_only([listener.cb]):
                hub.remove(listener)
    for _, timer in [*hub.timers, *hub.next_timers]:
        if not timer.called and _leads_to_frozen_only([timer.tpl]):
            timer.cancel()
    _leave_queues()


def renew_hub(hub: Any) -> None:
    """Give a hub like eventlet's an ``epoll`` and a wake-up pipe of its own.

    The new ``epoll`` watches the same descriptors. Only a forked child calls this.

    Args:
        hub: a hub with an ``epoll`` in ``poll`` and with ``listeners``, or one with an asyncio loop
            in ``loop``. Any other hub is left as it is.
    """
    if hasattr(getattr(hub, "loop", None), "_selector"):
        _renew_selector(hub.loop)
    if hasattr(getattr(hub, "poll", None), "fileno"):
        hub.poll = type(hub.poll)()
        for fd in {*hub.listeners[hub.READ], *hub.listeners[hub.WRITE]}:
            with contextlib.suppress(OSError):  # it is closed by now: the old one forgot it too
                hub.register(fd, new=True)


def _renew_selector(loop: Any) -> None:
    """Give asyncio's selector loop a selector and a wake-up pipe of its own."""
    inherited = loop._selector
    loop._selector = type(inherited)()
    for ours, parents in zip(socket.socketpair(), (loop._ssock, loop._csock), strict=True):
        ours.setblocking(False)
        os.dup2(ours.fileno(), parents.fileno(), False)
        ours.close()
    for key in inherited.get_map().values():
        with contextlib.suppress(OSError):  # it is closed by now
            loop._selector.register(key.fd, key.events, key.data)


def _leave_queues() -> None:
    """Take frozen greenlets out of the queues in which they wait for a lock, or for an item.

    Otherwise the next lock or item would be handed over to one of them. handler-core's own locks
    know frozen waiters. Those of eventlet do not, nor do the conditions of ``threading``. A frozen
    greenlet's frames show the object in whose method it waits.
    """
    for greenlet in frozen_greenlets():
        frame = greenlet.gr_frame
        while frame is not None:
            names = frame.f_locals
            obj = names.get("self")
            # A semaphore has the greenlet in its queue, and a condition the local `waiter`.
            waiters = getattr(obj, "_waiters", None)
            if isinstance(waiters, (deque, list, set)):
                for each in list(waiters):
                    if each is greenlet or each is names.get("waiter"):
                        waiters.remove(each)
            if getattr(obj, "greenlet", None) is greenlet:
                obj.greenlet = None  # eventlet's queues pass over a waiter without a greenlet
            frame = frame.f_back


def _leads_to_frozen_only(roots: Iterable[Any]) -> bool:
    """Return True if a hub's callback resumes a frozen greenlet, and no other."""
    found = False
    todo, seen = list(roots), set[int]()
    for each in todo:  # it grows meanwhile
        if len(todo) > _LONGEST_SEARCH:
            return False
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, FreezableTask):
            frozen = each.is_frozen()
        elif _is_hub(each):
            continue
        elif hasattr(each, "gr_frame"):
            frozen = is_frozen(each)
        else:
            todo += _referents(each)
            continue
        if not frozen:
            return False
        found = True
    return found


def _is_hub(each: Any) -> bool:
    """Return True for a hub or a loop, which lead to all greenlets."""
    kind = type(each)
    return any(hasattr(kind, name) for name in _NAMES_OF_HUBS)


def _referents(each: Any) -> Iterator[Any]:
    """Return what an object refers to; of a function, only what it encloses."""
    if hasattr(each, "__self__"):
        referents = [each.__self__, getattr(each, "__func__", None)]
    elif hasattr(each, "__globals__"):
        referents = list(each.__closure__ or ())
    else:
        referents = gc.get_referents(each)
    return (referent for referent in referents if not isinstance(referent, _TOO_FAR))


def _with_subclasses(kind: type) -> set[type]:
    return {kind}.union(*map(_with_subclasses, kind.__subclasses__()))
