"""The hook specifications. Models implement the hooks, and wrappers may surround them.

A handler class is its own plugin. It marks five methods with :data:`hookimpl`. It may leave out the
parameter ``handler``, which is the same object as ``self``. A wrapper is any object whose hooks are
marked with ``hookimpl(wrapper=True)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from handler_core.execution._callback import CallbackLike
    from handler_core.execution._interfaces import IAsyncResult, IHandler
    from handler_core.network._select_arguments import FileObject, SelectLists

__all__ = ["PROJECT_NAME", "HandlerSpec", "hookimpl", "hookspec"]

PROJECT_NAME = "handler_core"

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


class HandlerSpec:
    """The hook specifications."""

    @hookspec
    def start(self, handler: IHandler) -> None:
        """Begin to run callbacks."""

    @hookspec
    def stop(self, handler: IHandler) -> None:
        """Run what was dispatched, then end."""

    @hookspec(firstresult=True)
    def select(
        self,
        handler: IHandler,
        rlist: Sequence[FileObject],
        wlist: Sequence[FileObject],
        xlist: Sequence[FileObject],
        timeout: float | None,
    ) -> SelectLists | None:
        """Wait for descriptors, as ``select.select`` does. The timeout is in seconds.

        One call of the short form ``handler.select(sockets, timeout)`` makes two calls of the
        hook.
        """

    @hookspec(firstresult=True)
    def callback_object(self, handler: IHandler) -> IAsyncResult | None:
        """Return a new, pending result."""

    @hookspec
    def dispatch_callback(self, handler: IHandler, callback: CallbackLike) -> None:
        """Queue a callback to run."""

    @hookspec
    def run_callback(self, handler: IHandler, callback: CallbackLike) -> None:
        """Run one callback, in a worker. Only wrappers implement this hook.

        A dispatched callback is the object that was dispatched. A linked one is
        ``Callback("completion", func, (result,))``. The handler logs an exception that passes
        through all wrappers. The functions of timers are no callbacks, and no hook is called for
        them.
        """
