"""The handlers to compare. Use them only in a process of their model."""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks.series import KAZOO, OURS
from handler_core import get_handler

__all__ = ["ALL_MODELS", "ASYNCIO", "KAZOO_MODELS", "LOOP_MODELS", "MAKERS", "TRIO", "new_handler"]

#: The models that kazoo has too.
KAZOO_MODELS = ("threading", "gevent", "eventlet")

#: kazoo has no handler for these.
ASYNCIO = "asyncio"
TRIO = "trio"

#: The models that run on event loops.
LOOP_MODELS = (ASYNCIO, TRIO)

ALL_MODELS = (*KAZOO_MODELS, *LOOP_MODELS)


def _kazoo_handler(model: str) -> Any:
    module = importlib.import_module(f"kazoo.handlers.{model}")
    return getattr(module, f"Sequential{model.title()}Handler")()


MAKERS = {OURS: get_handler, KAZOO: _kazoo_handler}


def new_handler(side: str, model: str) -> Any:
    """Return one of our handlers or of kazoo's, not started."""
    return MAKERS[side](model)
