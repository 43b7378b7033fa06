"""The hooks: what a concurrency model implements, and what wrappers may be around.

A handler class is its own plugin: it marks five methods with :data:`hookimpl`. It may leave out
the parameter ``handler``, which is simply its ``self``. A wrapper is any object whose hooks are
marked with ``hookimpl(wrapper=True)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from handler_core.execution._callback import CallbackLike
    from handler_core.execution._protocols import IAsyncResult, IHandler
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
        """Wait for descriptors, as ``select.select``; the timeout is in seconds.

        The short form ``handler.select(sockets, timeout)`` arrives as two calls.
        """

    @hookspec(firstresult=True)
    def callback_object(self, handler: IHandler) -> IAsyncResult | None:
        """Return a new, pending result."""

    @hookspec
    def dispatch_callback(self, handler: IHandler, callback: CallbackLike) -> None:
        """Queue a callback to run."""

    @hookspec
    def run_callback(self, handler: IHandler, callback: CallbackLike) -> None:
        """Run one callback, in a worker. For wrappers only.

        A dispatched callback comes as it was dispatched, a linked one as
        ``Callback("completion", func, (result,))``. An exception that passes through all
        wrappers is logged by the handler.
        """
