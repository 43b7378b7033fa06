"""What happens to greenlets at fork: a child ends those of its parent.

``os.fork`` copies the current thread, with all the greenlets that live in it. Without this module
each of them would go on with the parent's work in the child: read the next bytes of the parent's
connection, tick a second time. Other OS threads are not copied. But in a process that gevent or
eventlet has patched, the threads of ``threading`` are greenlets too.

:meth:`GreenletTasks.end_inherited` throws ``GreenletExit`` into each of them, inside ``fork``
itself. If the hub did it later, a greenlet that is about to be resumed would read the parent's next
bytes first. What the greenlets do as they end must not reach the parent either. An ``epoll`` is
shared between parent and child, so a child's hub needs one of its own: :func:`renew_epoll`.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable
from typing import Any

__all__ = ["GreenletTasks", "renew_epoll"]


def renew_epoll(hub: Any) -> None:
    """Give a hub an ``epoll`` of its own in place of the one that it shares with the parent.

    The new one watches the same descriptors. A descriptor that the child takes out of a shared
    ``epoll`` is taken out for the parent too, which then waits for ever.

    Args:
        hub: a hub like eventlet's, with an ``epoll`` in ``poll`` and with ``listeners``. Any other
            hub is left as it is.
    """
    if not hasattr(getattr(hub, "poll", None), "fileno"):
        return
    hub.poll = type(hub.poll)()
    for fd in {*hub.listeners[hub.READ], *hub.listeners[hub.WRITE]}:
        with contextlib.suppress(OSError):  # it is closed by now: the old one forgot it too
            hub.register(fd, new=True)


class GreenletTasks:
    """The greenlets that run a handler's tasks.

    It imports the ``greenlet`` library when it is used. So only a process that has greenlets may
    use it.
    """

    def __init__(self) -> None:
        self._running: set[Any] = set()
        self._exit: BaseException | None = None
        #: Replaced in a forked child, so that it tells this process from its parent.
        self._process = object()

    def tracked(self, func: Callable[..., object]) -> Callable[..., None]:
        """Return a function for a new greenlet to run.

        It calls ``func``. In a child that was forked before the greenlet began, it does nothing.
        """
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
        """End the parent's greenlets of this thread. Only a forked child calls this.

        Args:
            call_soon: has this thread's hub call a function when the hub next runs. The hub runs
                if a greenlet waits for something while it is being ended. Then the function
                resumes this call, which goes on without that greenlet.
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
        """Return True if :meth:`end_inherited` has thrown this exception."""
        return exception is self._exit


@functools.cache
def _greenlet() -> Any:
    return importlib.import_module("greenlet")


def _stand_in(hub: Any, current: Any) -> Any:
    """Return a greenlet that looks like ``hub`` and switches to ``current``.

    When a greenlet ends, its parent goes on. That would be the hub, with whatever is due. (A
    greenlet of gevent takes the loop from its parent, and checks the parent's type.)
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
