"""A thread of the operating system, for tests that need one in any process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from handler_core import Handler
from handler_core.testing._time_limits import LIMIT

__all__ = ["OSThread"]


class OSThread:
    """A thread of the operating system, also in a process whose ``threading`` is patched."""

    def __init__(
        self,
        start: Callable[[Callable[[], None], tuple[()]], object],
        func: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> None:
        self._func = func
        self._args = args
        self._error: BaseException | None = None
        self._value: Any = None
        self._done = False
        start(self._run, ())

    def _run(self) -> None:
        try:
            self._value = self._func(*self._args)
        except BaseException as error:
            self._error = error
        finally:
            self._done = True

    def result(self, handler: Handler) -> Any:
        """Return what the function returned, or raise what it raised.

        This sleeps in a loop, because it must work even for a model that wakes no waiter.
        """
        deadline = time.monotonic() + LIMIT
        while not self._done:
            assert time.monotonic() < deadline, f"a thread hangs in {self._func!r}"
            handler.sleep_func(0.001)
        if self._error is not None:
            raise self._error
        return self._value
