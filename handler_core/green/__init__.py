"""The base of concurrency models whose tasks are greenlets.

A model says how to reach its library's hub (:class:`Hub`). How a greenlet parks and is
woken, tasks, ``select`` and what happens at fork are here. A model's plugin imports the library.

The names below are public. The modules with an underscore belong to handler-core alone.
"""

import typing

from handler_core.execution._lazy import lazy_names as _lazy_names

if typing.TYPE_CHECKING:
    from handler_core.green._fork import GreenletTasks, renew_epoll
    from handler_core.green._handler import GreenHandler
    from handler_core.green._hub import Hub
    from handler_core.green._task import GreenTask
    from handler_core.green._waiter import GreenWaiter

__all__ = ["GreenHandler", "GreenTask", "GreenWaiter", "GreenletTasks", "Hub", "renew_epoll"]

__getattr__, __dir__ = _lazy_names(
    __name__,
    {
        "._fork": "GreenletTasks renew_epoll",
        "._handler": "GreenHandler",
        "._hub": "Hub",
        "._task": "GreenTask",
        "._waiter": "GreenWaiter",
    },
)
