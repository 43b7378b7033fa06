"""The exceptions of a look-up.

Users import them from ``handler_core``. So each class names that as its module, and a traceback
shows a name that can be typed.
"""

from __future__ import annotations

__all__ = ["HandlerLoadError", "HandlerNotFoundError", "HandlerValidationError"]


class HandlerNotFoundError(LookupError):
    """No installed distribution offers a handler, or a wrapper, of that name.

    The message lists the installed names and the close ones. If the name is one of handler-core's
    extras, the message has its ``pip install`` line.
    """

    __module__ = "handler_core"


class HandlerLoadError(ImportError):
    """The plugin is installed, and importing it failed.

    The message names the plugin, its distribution and the cause, which is also ``__cause__``.
    """

    __module__ = "handler_core"


class HandlerValidationError(Exception):
    """A plugin breaks the rules for handler classes or for wrappers.

    The message names the distribution. It lists every hook that is missing, is unknown, or is
    declared in another way than :class:`handler_core.hookspecs.HandlerSpec` declares it.
    """

    __module__ = "handler_core"
