"""C10: the outcome of a result."""

from __future__ import annotations

from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite

__all__ = ["OutcomeTests"]


class OutcomeTests(Suite):
    """C10: the outcome of a result."""

    def test_c10_states(self, idle: Handler) -> None:
        """A result is pending, or has a value, or has an exception."""
        result = idle.async_result()
        assert not result.ready()
        assert not result.successful()
        assert result.value is None
        assert result.exception is None
        result.set("value")
        assert result.ready()
        assert result.successful()
        assert result.value == "value"
        assert result.exception is None
        assert result.get() == result.get_nowait() == "value"
        failed = idle.callback_object()
        error = ValueError("as planned")
        failed.set_exception(error)
        assert failed.ready()
        assert not failed.successful()
        assert failed.value is None
        assert failed.exception is error
        with pytest.raises(ValueError, match="as planned") as caught:
            failed.get()
        assert caught.value is error

    def test_c10_none_is_a_value(self, idle: Handler) -> None:
        """``set()`` sets None, and None is an outcome."""
        result = idle.async_result()
        result.set()
        assert result.successful()
        assert result.get() is None

    def test_c10_anything_is_a_value(self, idle: Handler) -> None:
        """A false object is one, and so is an exception that was given to ``set``."""
        values: list[Any] = [0, "", False, [], ValueError("as planned")]
        for value in values:
            result = idle.async_result()
            result.set(value)
            assert result.successful()
            assert result.exception is None
            assert result.value is value
            assert result.get() is value

    def test_c10_a_later_set_replaces_the_outcome(self, idle: Handler) -> None:
        """It does so in any order of values and exceptions."""
        result = idle.async_result()
        result.set(1)
        result.set(2)
        assert result.get() == 2
        for error in (ValueError("as planned"), SystemExit("as planned")):
            result.set_exception(error)
            assert not result.successful()
            assert result.value is None
            assert result.exception is error
            with pytest.raises(type(error), match="as planned"):
                result.get()
        result.set(3)
        assert result.exception is None
        assert result.get() == 3
