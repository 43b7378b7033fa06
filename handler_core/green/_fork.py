"""Ending, in a forked child, the greenlets that it has from its parent.

``os.fork`` copies one thread, with all the greenlets that live in it, and in the child each of
them would go on with the parent's work: read the next bytes from the parent's connection, tick a
second time. Threads of the operating system do not come along; but in a process that gevent or
eventlet has patched, those of ``threading`` are greenlets too.

They are ended by the exception that ends greenlets, inside ``fork`` itself: left to the hub, one
that is about to be resumed would read the parent's next bytes first. What they do as they end must
not reach the parent either, whose ``epoll`` the child's hub has.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable
from typing import Any

__all__ = ["GreenletTasks", "renew_epoll"]


def renew_epoll(hub: Any) -> None:
    """Give a hub an ``epoll`` of its own, with what is in the one that it shares with the parent.

    A descriptor that is given up in a shared one is given up for the parent too, which then waits
    for ever.

    Args:
        hub: one like eventlet's, with an ``epoll`` in ``poll`` and ``listeners``; any other is left
            as it is.
    """
    if not hasattr(getattr(hub, "poll", None), "fileno"):
        return
    hub.poll = type(hub.poll)()
    for fd in {*hub.listeners[hub.READ], *hub.listeners[hub.WRITE]}:
        with contextlib.suppress(OSError):  # closed meanwhile: the old one forgot it too
            hub.register(fd, new=True)


class GreenletTasks:
    """The greenlets in which a handler's tasks run.

    Only to be used where there are greenlets: it imports the library.
    """

    def __init__(self) -> None:
        self._running: set[Any] = set()
        self._exit: BaseException | None = None
        #: What tells this process from its parent.
        self._process = object()

    def tracked(self, func: Callable[..., object]) -> Callable[..., None]:
        """Return what a new greenlet is to run: ``func``, unless a fork comes in between."""
        process = self._process

        def run(*args: Any, **kwargs: Any) -> None:
            if process is not self._process:
                return
            greenlet = _greenlet()
            current = greenlet.getcurrent()
            self._running.add(current)
            try:
                func(*args, **kwargs)
            except greenlet.GreenletExit as error:
                if not self.is_exit(error):
                    raise
            finally:
                self._running.discard(current)

        return run

    def end_inherited(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        """End the parent's greenlets, those that this thread has. In the child.

        Args:
            call_soon: has this thread's hub call a function, should it come to run. It does if a
                greenlet waits for something while it is being ended; this call then goes on
                without that one.
        """
        self._process = object()
        inherited, self._running = self._running, set()
        if not inherited:
            return
        greenlet = _greenlet()
        current = greenlet.getcurrent()
        self._exit = greenlet.GreenletExit("inherited from the parent of this process")
        ending = True

        def resume() -> None:
            if ending:
                current.switch()

        for task in inherited:
            if task is not current and not task.dead and _root_of(task) is _root_of(current):
                call_soon(resume)
                task.parent = _stand_in(task.parent, current)
                task.throw(self._exit)
        ending = False

    def is_exit(self, exception: BaseException) -> bool:
        """Return True if :meth:`end_inherited` has ended a greenlet by this exception."""
        return exception is self._exit


@functools.cache
def _greenlet() -> Any:
    return importlib.import_module("greenlet")


def _stand_in(hub: Any, current: Any) -> Any:
    """Return what a greenlet may take for its hub, and what switches to ``current``.

    When a greenlet has ended, its parent goes on. That would be the hub, with whatever is due.
    (A greenlet of gevent looks at its parent for the loop, and insists on the type.)
    """

    class StandIn(type(hub)):  # type: ignore[misc]
        def __init__(self) -> None:
            _greenlet().greenlet.__init__(self)

        def run(self, *args: Any) -> None:
            current.switch()

    stand_in = StandIn()
    if hasattr(hub, "loop"):
        stand_in.loop = hub.loop
    return stand_in


def _root_of(greenlet: Any) -> Any:
    """Return the main greenlet of its thread."""
    while greenlet.parent is not None:
        greenlet = greenlet.parent
    return greenlet
