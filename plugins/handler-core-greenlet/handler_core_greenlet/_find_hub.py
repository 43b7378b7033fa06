"""The loop of the caller, also if no handler has been used in it yet.

A handler may be made before the loop that runs it. Sockets, queues and ``sleep`` have no handler to
ask for its model, so each model is asked whether its loop runs here.
"""

from __future__ import annotations

from typing import Any

from handler_core_greenlet._hub import LoopHub, running_hub

__all__ = ["find_hub"]


def find_hub() -> LoopHub | None:
    """Return the hub whose loop runs in this thread. If the loop has none yet, make it."""
    return running_hub() or _ask_models(LoopHub)


def _ask_models(base: Any) -> LoopHub | None:
    for model in base.__subclasses__():
        hub: LoopHub | None = model.current() or _ask_models(model)
        if hub is not None:
            return hub
    return None
