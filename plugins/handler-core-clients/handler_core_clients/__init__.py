"""Libraries in blocking style on any model of handler-core: unmodified, unpatched, without threads.

Each module here extends one library by what the library itself offers for that: a subclass of its
connection, a callback that waits, a class of its queue. All waiting is the handler's. A module
imports its library, so a program imports the module that it needs::

    from handler_core_clients import redis

A library whose documented options are enough needs no module. The guide to clients has the recipes.
"""

from handler_core_clients._pool import Pool, PoolTimeoutError

__all__ = ["Pool", "PoolTimeoutError"]
