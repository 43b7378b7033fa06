"""From a name to a handler.

:func:`get_handler` finds the entry point of a name, loads the handler class, checks that the class
implements the hooks, makes a handler, and puts wrappers around its hooks. Each of these steps is a
module: ``_entry_points``, ``_handler_class``, ``_validation``, ``_find_wrappers``,
``_apply_wrappers``.
``_default_model`` chooses a model for a caller that names none. ``_dispatch_notes`` is a tool for
wrappers. All of it is above :class:`handler_core.Handler`: a model does not depend on how it is
found.

The names below are public. The modules with an underscore are internal to handler_core.
"""

import typing

from handler_core.execution._lazy_imports import lazy_names as _lazy_names
from handler_core.lookup._entry_points import HandlerInfo
from handler_core.lookup._exceptions import (
    HandlerLoadError,
    HandlerNotFoundError,
    HandlerValidationError,
)
from handler_core.lookup._get_handler import get_handler, list_handlers

if typing.TYPE_CHECKING:
    from handler_core.lookup._dispatch_notes import Dispatched

__all__ = [
    "Dispatched",
    "HandlerInfo",
    "HandlerLoadError",
    "HandlerNotFoundError",
    "HandlerValidationError",
    "get_handler",
    "list_handlers",
]

__getattr__, __dir__ = _lazy_names(__name__, {"._dispatch_notes": "Dispatched"})
