"""A coroutine each step of which runs in a context of its own choice."""

from __future__ import annotations

import functools
import types
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any

__all__ = ["in_context"]


@types.coroutine
def in_context(context: Context, coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Await ``coroutine`` in the caller's task, but with the variables of ``context``.

    No other code may be in the context meanwhile.
    """
    step = functools.partial(coroutine.send, None)
    while True:
        try:
            awaited = context.run(step)
        except StopIteration as end:
            return end.value
        try:
            step = functools.partial(coroutine.send, (yield awaited))
        except GeneratorExit:
            context.run(coroutine.close)
            raise
        except BaseException as error:
            step = functools.partial(coroutine.throw, error)
