"""C15: tracebacks do not grow."""

from __future__ import annotations

import traceback

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite

__all__ = ["TracebackTests"]


def _entries(error: BaseException) -> int:
    return len(traceback.extract_tb(error.__traceback__))


class TracebackTests(Suite):
    """C15: tracebacks do not grow."""

    @pytest.mark.parametrize("get", ["get", "get_nowait"])
    def test_c15_getting_an_exception_often_keeps_its_traceback_short(
        self, idle: Handler, get: str
    ) -> None:
        """Each get shows the same frames."""
        result = idle.async_result()
        try:
            raise ValueError("as planned")
        except ValueError as error:
            result.set_exception(error)
        lengths = set()
        for _ in range(10):
            with pytest.raises(ValueError, match="as planned") as caught:
                getattr(result, get)()
            lengths.add(_entries(caught.value))
        assert len(lengths) == 1, f"the traceback grows: {sorted(lengths)}"

    def test_c15_one_exception_in_many_results_keeps_its_traceback_short(
        self, idle: Handler
    ) -> None:
        """It stays short even if the exception is set again after it was raised."""
        error = ValueError("as planned")
        lengths = set()
        for _ in range(10):
            results = [idle.async_result() for _ in range(3)]
            for result in results:
                result.set_exception(error)
            for result in results:
                with pytest.raises(ValueError, match="as planned"):
                    result.get()
                lengths.add(_entries(error))
        assert len(lengths) == 1, f"the traceback grows: {sorted(lengths)}"

    def test_c15_many_waiters_keep_the_traceback_short(self, handler: Handler) -> None:
        """All waiters raise the one exception. Afterwards it is as long as after one get."""
        result = handler.async_result()
        caught: list[BaseException] = []

        def wait() -> None:
            try:
                self.got(result)
            except ValueError as error:
                caught.append(error)

        tasks = [handler.spawn(wait) for _ in range(10)]
        error = ValueError("as planned")
        result.set_exception(error)
        self.ended(*tasks)
        assert [one is error for one in caught] == [True] * 10
        with pytest.raises(ValueError, match="as planned"):
            result.get()
        alone = handler.async_result()
        alone.set_exception(ValueError("as planned"))
        with pytest.raises(ValueError, match="as planned") as got_once:
            alone.get()
        assert _entries(error) == _entries(got_once.value)
