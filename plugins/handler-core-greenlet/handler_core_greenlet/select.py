"""The module ``select``, as far as greenlets of an event loop can use it."""

from handler_core_greenlet.waiting import select

__all__ = ["select"]
