"""C11: the timeouts of results."""

from __future__ import annotations

import functools
import time

import pytest

from handler_core import Handler, HandlerTimeoutError
from handler_core.testing._suite import Suite

__all__ = ["TimeoutTests"]

# Timeouts in seconds that are no whole number of milliseconds. A timeout that is too short shows
# only where the machine is quick, so each is tried several times.
_FRACTIONS = (0.0019,) * 10


class TimeoutTests(Suite):
    """C11: the timeouts of get and wait."""

    def test_c11_get_times_out(self, handler: Handler) -> None:
        """It raises the handler's exception, a ``TimeoutError`` too, and not early."""
        result = handler.async_result()
        for timeout in (-1, 0, 0.05, *_FRACTIONS):
            begun = time.monotonic()
            with pytest.raises(handler.timeout_exception) as caught:
                result.get(timeout=timeout)
            assert time.monotonic() - begun >= timeout, "get timed out early"
            assert isinstance(caught.value, TimeoutError)
            assert isinstance(caught.value, HandlerTimeoutError)
        result.set(1)
        assert result.get(timeout=0) == 1

    def test_c11_a_client_raises_the_same(self, idle: Handler) -> None:
        """``timeout_error`` makes what both ``except`` clauses of a user catch."""
        for kind in (idle.timeout_exception, TimeoutError):
            with pytest.raises(kind, match="as planned"):
                raise idle.timeout_error("as planned")

    def test_c11_wait_times_out(self, handler: Handler) -> None:
        """It returns whether there is an outcome, and not early."""
        result = handler.async_result()
        for timeout in (-1, 0, 0.05, *_FRACTIONS):
            begun = time.monotonic()
            assert result.wait(timeout) is False
            assert time.monotonic() - begun >= timeout, "wait timed out early"
        result.set(1)
        assert result.wait() is True
        assert result.wait(0) is True

    @pytest.mark.parametrize("where", ["a task", "an OS thread"])
    @pytest.mark.parametrize("waits", ["get", "wait"])
    def test_c11_a_timeout_is_neither_early_nor_late(
        self, handler: Handler, waits: str, where: str
    ) -> None:
        """It is at most 50 milliseconds late on an idle machine.

        Even a busy machine has an idle moment.
        """
        result = handler.async_result()

        def wait(timeout: float) -> None:
            if waits == "wait":
                assert result.wait(timeout) is False
            else:
                with pytest.raises(handler.timeout_exception):
                    result.get(timeout=timeout)

        def late(timeout: float) -> float:
            measured: list[float] = []

            def measure() -> None:
                begun = time.monotonic()
                wait(timeout)
                measured.append(time.monotonic() - begun - timeout)

            self.run_in(where, handler, measure)()
            assert measured, "it did not time out"
            assert measured[0] >= 0, "it timed out early"
            return measured[0]

        timeouts = (0.01, 0.01, 0.01, 0.01, 0.15)
        self.in_time(0.05, [functools.partial(late, timeout) for timeout in timeouts])

    def test_c11_a_timeout_is_of_one_wait(self, handler: Handler) -> None:
        """A wait with a shorter timeout for the same result ends no other wait."""
        result = handler.async_result()
        task = handler.spawn(result.wait, 0.02)
        begun = time.monotonic()
        assert result.wait(0.1) is False
        assert time.monotonic() - begun >= 0.1, "wait timed out with another one"
        self.ended(task)

    def test_c11_without_blocking(self, handler: Handler) -> None:
        """``get(block=False)`` and ``get_nowait`` time out at once."""
        result = handler.async_result()
        for get in (functools.partial(result.get, block=False), result.get_nowait):
            with pytest.raises(handler.timeout_exception) as caught:
                get()
            assert isinstance(caught.value, TimeoutError)
            assert isinstance(caught.value, HandlerTimeoutError)

    def test_c11_the_timeout_exception_is_no_os_error(self, idle: Handler) -> None:
        """A client raises it itself, near code that handles broken connections."""
        assert issubclass(idle.timeout_exception, HandlerTimeoutError)
        assert not issubclass(idle.timeout_exception, OSError)
        assert str(idle.timeout_exception("message")) == "message"

    def test_c11_a_wait_that_timed_out_leaves_the_result_usable(self, handler: Handler) -> None:
        """A set still wakes a later wait."""
        result = handler.async_result()
        assert not result.wait(0.001)
        handler.spawn(result.set, 1)
        assert self.got(result) == 1
