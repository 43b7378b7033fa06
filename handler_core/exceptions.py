"""What handler-core raises on its own account."""

from __future__ import annotations

import builtins
from typing import Any

__all__ = [
    "HandlerLoadError",
    "HandlerNotFoundError",
    "HandlerTimeoutError",
    "HandlerValidationError",
    "timeout_error_class",
]


class HandlerNotFoundError(LookupError):
    """No installed distribution offers a handler, or a wrapper, of that name.

    The message lists what is installed, names that are close, and the ``pip install`` line
    where the name is one of handler-core's extras.
    """


class HandlerLoadError(ImportError):
    """The plugin is installed, and importing it failed.

    The message names the plugin, its distribution and the cause, which is also ``__cause__``.
    """


class HandlerValidationError(Exception):
    """A plugin is not what it says it is.

    The message names the distribution and every hook that is missing, unknown or declared in
    another way than :class:`handler_core.hookspecs.HandlerSpec` declares it.
    """


class HandlerTimeoutError(Exception):
    """A wait was over before what it waited for had come.

    The base class of every handler's ``timeout_exception``. It is deliberately not the builtin
    ``TimeoutError``, which is an ``OSError``: a client such as kazoo raises
    ``handler.timeout_exception(...)`` itself, beside an ``except OSError`` that means "the
    connection is broken". What :meth:`AsyncResult.get` raises is a subclass of both.
    """


_timeout_error_classes: dict[type[Exception], type[Exception]] = {}


def timeout_error_class(timeout_exception: type[Exception]) -> type[Exception]:
    """Return the class that a timed-out ``get`` raises for this ``timeout_exception``.

    It is a subclass of ``timeout_exception`` and of the builtin ``TimeoutError``, carries the
    name of the former, and pickles as the former, since nobody could import it by its name.
    """
    known = _timeout_error_classes.get(timeout_exception)
    if known is not None:
        return known

    def reduce(self: Exception) -> tuple[type[Exception], tuple[Any, ...]]:
        return timeout_exception, self.args

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
