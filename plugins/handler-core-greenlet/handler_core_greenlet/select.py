"""The module ``select`` for greenlets of an event loop: its function ``select``."""

from handler_core_greenlet._sleep_and_select import select

__all__ = ["select"]
