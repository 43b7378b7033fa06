"""``LoopResult``: a result whose links run in the context of whoever linked them."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from handler_core.execution import AsyncResult, InContext

__all__ = ["LoopResult"]


class LoopResult(AsyncResult[Any]):
    """The base of the results of a model on an event loop.

    A link runs in a copy of the context (``contextvars``) that its caller has when it links, as
    with ``add_done_callback`` of asyncio. A plain result of such a handler runs its links in the
    worker's own context.
    """

    __slots__ = ()

    def link(self, callback: Callable[[Any], object]) -> None:
        """Have ``callback(result)`` called; see :meth:`handler_core.AsyncResult.link`."""
        if callable(callback):
            callback = InContext(callback, copy_context())
        super().link(callback)

    #: The name that gevent and kazoo have for it.
    rawlink = link
