"""What a look-up raises.

Each class names ``handler_core`` as its module, where users import it from: tracebacks then show a
name that can be typed.
"""

from __future__ import annotations

__all__ = ["HandlerLoadError", "HandlerNotFoundError", "HandlerValidationError"]


class HandlerNotFoundError(LookupError):
    """No installed distribution offers a handler, or a wrapper, of that name.

    The message lists what is installed, names that are close, and the ``pip install`` line
    where the name is one of handler-core's extras.
    """

    __module__ = "handler_core"


class HandlerLoadError(ImportError):
    """The plugin is installed, and importing it failed.

    The message names the plugin, its distribution and the cause, which is also ``__cause__``.
    """

    __module__ = "handler_core"


class HandlerValidationError(Exception):
    """A plugin is not what it says it is.

    The message names the distribution and every hook that is missing, unknown or declared in
    another way than :class:`handler_core.hookspecs.HandlerSpec` declares it.
    """

    __module__ = "handler_core"
