"""The handler: the class that clients use, and that concurrency models extend.

``_handler`` has the class :class:`Handler`. ``_hook_methods`` makes its hooks plain methods, so a
call of a hook costs no more than a method call. Workers, start and stop are in ``execution``.
Sockets are in ``network``.

The names below are public. The modules with an underscore are internal to handler_core.
"""

from handler_core.handler._handler import Handler
from handler_core.handler._hook_methods import inherit_hook

__all__ = ["Handler", "inherit_hook"]
