"""C13: links."""

from __future__ import annotations

from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite

__all__ = ["LinkTests"]


class LinkTests(Suite):
    """C13: the links of a result."""

    @pytest.mark.parametrize("link", ["link", "rawlink"])
    def test_c13_a_link_before_the_outcome(self, handler: Handler, link: str) -> None:
        """It is called once, with the result as its only argument."""
        calls: list[tuple[Any, ...]] = []
        result = handler.async_result()
        getattr(result, link)(lambda *args: calls.append(args))
        result.set(1)
        result.set(2)
        handler.stop()
        assert calls == [(result,)]

    @pytest.mark.parametrize("link", ["link", "rawlink"])
    def test_c13_a_link_after_the_outcome(self, handler: Handler, link: str) -> None:
        """It is called once, in the same way. Earlier links are not called again."""
        calls: list[tuple[Any, ...]] = []
        result = handler.async_result()
        getattr(result, link)(lambda *args: calls.append(("before", *args)))
        result.set_exception(ValueError("as planned"))
        getattr(result, link)(lambda *args: calls.append(("after", *args)))
        handler.stop()
        assert calls == [("before", result), ("after", result)]

    @pytest.mark.parametrize("first", ["link", "rawlink"])
    @pytest.mark.parametrize("second", ["link", "rawlink"])
    def test_c13_linked_twice_while_pending(
        self, handler: Handler, first: str, second: str
    ) -> None:
        """The callback is called once."""
        calls: list[Any] = []
        result = handler.async_result()
        getattr(result, first)(calls.append)
        getattr(result, second)(calls.append)
        result.set()
        handler.stop()
        assert calls == [result]

    def test_c13_unlink(self, handler: Handler) -> None:
        """Before the outcome, it removes the link. It ignores an unknown one."""
        calls: list[Any] = []
        result = handler.async_result()
        result.unlink(print)
        result.link(calls.append)
        result.link(calls.extend)
        result.unlink(print)
        result.unlink(calls.append)
        result.unlink(calls.extend)
        result.set()
        result.unlink(calls.append)
        handler.stop()
        assert calls == []
