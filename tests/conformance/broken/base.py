"""What the broken handlers have in common."""

from __future__ import annotations

import threading
from typing import Any

from handler_core_threading import SequentialThreadingHandler

import handler_core
from handler_core import hookimpl

#: By handler: the test that must find it.
FOUND_BY: dict[str, str] = {}

#: By handler: the lines that rely on its broken line, and so break with it.
ALSO: dict[str, set[int]] = {}


def found_by(test: str) -> Any:
    """Register the name of the test that must find a handler, without its parameters."""

    def register(cls: type) -> type:
        FOUND_BY[cls.__name__] = test
        return cls

    return register


def also(*lines: int) -> Any:
    """Register the other lines that a handler breaks."""

    def register(cls: type) -> type:
        ALSO[cls.__name__] = set(lines)
        return cls

    return register


class Threads(SequentialThreadingHandler):
    """The base of most broken handlers. A subclass may choose the class of its results."""

    result_class: Any = handler_core.AsyncResult

    @hookimpl
    def callback_object(self) -> Any:
        return self.result_class(self)


def is_stranger() -> bool:
    """Return True in a thread that ``threading`` has not started."""
    return isinstance(threading.current_thread(), threading._DummyThread)
