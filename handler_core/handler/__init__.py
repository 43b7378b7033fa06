"""``Handler``: what a client uses, and what a concurrency model is a subclass of.

The names below are public. The modules with an underscore belong to handler-core alone.
"""

from handler_core.handler._handler import Handler
from handler_core.handler._hook_methods import inherit_hook

__all__ = ["Handler", "inherit_hook"]
