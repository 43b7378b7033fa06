"""C14: all waiters wake."""

from __future__ import annotations

from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite

__all__ = ["AllWaitersWakeTests"]


class AllWaitersWakeTests(Suite):
    """C14: all waiters of a result wake."""

    @pytest.mark.parametrize("failing", [False, True], ids=["set", "set_exception"])
    def test_c14_all_waiters_wake(self, handler: Handler, failing: bool) -> None:
        """All tasks and all plain threads wake, however many there are."""
        result = handler.async_result()
        outcomes: list[str] = []
        waiting: list[int] = []

        def wait() -> Any:
            waiting.append(1)
            try:
                return self.got(result)
            except ValueError as error:
                return str(error)

        tasks = [handler.spawn(lambda: outcomes.append(wait())) for _ in range(100)]
        threads = [self.os_thread(wait) for _ in range(5)]
        self.until(handler, lambda: len(waiting) == 105)
        handler.sleep_func(0.01)
        if failing:
            result.set_exception(ValueError("as planned"))
        else:
            result.set("as planned")
        self.ended(*tasks)
        assert outcomes == ["as planned"] * 100
        assert [thread.result(handler) for thread in threads] == ["as planned"] * 5
