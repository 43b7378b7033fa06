"""The base of concurrency models whose tasks are greenlets.

A greenlet library (gevent, eventlet, or a bridge to an event loop) runs a hub in each thread. The
hub resumes the greenlets of its thread one at a time. Models of this kind differ only in how they
reach their hub, so everything else is written here once: how a greenlet parks and how it is woken
(:class:`GreenWaiter`), its tasks (:class:`GreenTask`), ``select``, the home of the workers
(:class:`GreenHandler`), and what happens to greenlets when the process forks
(:class:`FreezableTask`). A model subclasses :class:`Hub` and :class:`GreenHandler`. This package
imports no greenlet library. The model's plugin does.

The names below are public. The modules with an underscore are internal.
"""

import typing

from handler_core.execution._lazy_imports import lazy_names as _lazy_names

if typing.TYPE_CHECKING:
    from handler_core.green._closed_socket import resume_listeners
    from handler_core.green._fork import FreezableTask, freeze_inherited, is_frozen
    from handler_core.green._handler import GreenHandler
    from handler_core.green._hub import Hub, distance_to_hub
    from handler_core.green._inherited_hub import (
        remove_frozen_listeners,
        renew_hub,
        stop_frozen_watchers,
    )
    from handler_core.green._task import GreenTask
    from handler_core.green._waiter import GreenWaiter

__all__ = [
    "FreezableTask",
    "GreenHandler",
    "GreenTask",
    "GreenWaiter",
    "Hub",
    "distance_to_hub",
    "freeze_inherited",
    "is_frozen",
    "remove_frozen_listeners",
    "renew_hub",
    "resume_listeners",
    "stop_frozen_watchers",
    "tell_at_abort",
]

__getattr__, __dir__ = _lazy_names(
    __name__,
    {
        "._closed_socket": "resume_listeners",
        "._fork": "FreezableTask freeze_inherited is_frozen",
        "._handler": "GreenHandler",
        "._hub": "Hub distance_to_hub",
        "._hub_abort": "tell_at_abort",
        "._inherited_hub": "remove_frozen_listeners renew_hub stop_frozen_watchers",
        "._task": "GreenTask",
        "._waiter": "GreenWaiter",
    },
)
