"""From a name to a handler: entry points, the choice of a model, validation, wrappers.

The names below are public. The modules with an underscore belong to handler-core alone.
"""

import typing

from handler_core.execution._lazy import lazy_names as _lazy_names
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
