"""What a wait raises when its time is over."""

from __future__ import annotations

import builtins
from typing import Any

__all__ = ["HandlerTimeoutError", "timeout_error_class"]


class HandlerTimeoutError(Exception):
    """The time of a wait is over.

    This is the base class of every handler's ``timeout_exception``. It is no subclass of the
    builtin ``TimeoutError``, which is an ``OSError``. A client such as kazoo raises
    ``handler.timeout_exception(...)`` itself, next to an ``except OSError`` that means "the
    connection is broken". What :meth:`AsyncResult.get` raises is a subclass of both.
    """

    __module__ = "handler_core"


_timeout_error_classes: dict[type[Exception], type[Exception]] = {}


def timeout_error_class(timeout_exception: type[Exception]) -> type[Exception]:
    """Return the class that a timed-out ``get`` raises for this ``timeout_exception``.

    It is a subclass of ``timeout_exception`` and of the builtin ``TimeoutError``. It has the name
    of the former. It cannot be imported by a name of its own, so an error pickles as a call that
    makes it of the former.
    """
    known = _timeout_error_classes.get(timeout_exception)
    if known is not None:
        return known

    def reduce(self: Exception) -> tuple[Any, ...]:
        return _timeout_error, (timeout_exception, *self.args), vars(self) or None

    both = type(
        timeout_exception.__name__,
        (timeout_exception, builtins.TimeoutError),
        {
            "__module__": timeout_exception.__module__,
            "__qualname__": timeout_exception.__qualname__,
            "__doc__": timeout_exception.__doc__,
            "__reduce__": reduce,
        },
    )
    return _timeout_error_classes.setdefault(timeout_exception, both)


def _timeout_error(timeout_exception: type[Exception], *args: Any) -> Exception:
    return timeout_error_class(timeout_exception)(*args)
