"""A wrapper may change a result, raise an exception or catch one. It must yield once."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from handler_core import Callback, get_handler, hookimpl


def test_a_wrapper_may_change_a_result() -> None:
    class Changing:
        @hookimpl(wrapper=True)
        def select(self, rlist: Any) -> Any:
            readable, writable, exceptional = yield
            return [*readable, "more"], writable, exceptional

        @hookimpl(wrapper=True)
        def callback_object(self) -> Any:
            result = yield
            result.set("set by the wrapper")
            return result

    handler = get_handler("threading", wrappers=[Changing()])
    assert handler.select([], [], [], 0) == (["more"], [], [])
    assert handler.async_result().get_nowait() == "set by the wrapper"


def test_what_a_wrapper_raises_reaches_the_caller() -> None:
    class Failing:
        @hookimpl(wrapper=True)
        def select(self) -> Any:
            yield
            raise OSError("injected")

        @hookimpl(wrapper=True)
        def dispatch_callback(self) -> Any:
            raise OSError("before")
            yield

    with get_handler("threading", wrappers=[Failing()]) as handler:
        with pytest.raises(OSError, match="injected"):
            handler.select([], [], [], 0)
        with pytest.raises(OSError, match="injected"):
            handler.select([], 0)
        with pytest.raises(OSError, match="before"):
            handler.dispatch_callback(Callback("", int, ()))


def test_what_the_hook_raises_reaches_the_wrapper() -> None:
    caught: list[BaseException] = []

    class Catching:
        @hookimpl(wrapper=True)
        def select(self) -> Any:
            try:
                return (yield)
            except ValueError as error:
                caught.append(error)
                return [], [], []

    handler = get_handler("threading", wrappers=[Catching()])
    assert handler.select([-1], [], [], 0) == ([], [], [])
    assert len(caught) == 1


def test_a_run_callback_that_raises_is_logged_and_the_worker_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing:
        @hookimpl(wrapper=True)
        def run_callback(self, callback: Any) -> Any:
            yield
            raise OSError(f"after {callback.type}")

    ran: list[str] = []
    with caplog.at_level(logging.ERROR, "handler_core"):
        with get_handler("threading", wrappers=[Failing()]) as handler:
            handler.dispatch_callback(Callback("one", ran.append, ("one",)))
            handler.dispatch_callback(Callback("two", ran.append, ("two",)))
            result = handler.async_result()
            result.link(lambda done: ran.append("linked"))
            result.set(1)
        result.link(lambda done: ran.append("in the setter"))
    assert sorted(ran) == ["in the setter", "linked", "one", "two"]
    raised = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert sorted(raised) == sorted(
        ["after one", "after two", "after completion", "after completion"]
    )


def test_what_a_callback_raises_passes_through_the_wrapper_into_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[str] = []

    class Seeing:
        @hookimpl(wrapper=True)
        def run_callback(self) -> Any:
            try:
                return (yield)
            except ZeroDivisionError as error:
                seen.append(type(error).__name__)
                raise

    with get_handler("threading", wrappers=[Seeing()]) as handler:
        handler.dispatch_callback(Callback("", lambda: 1 / 0, ()))
    assert seen == ["ZeroDivisionError"]
    assert "ZeroDivisionError" in caplog.text


def test_a_wrapper_must_yield_once() -> None:
    """The caller gets the error."""

    class Yielding:
        def __init__(self, times: int) -> None:
            self.times = times

        @hookimpl(wrapper=True)
        def dispatch_callback(self) -> Any:
            for _ in range(self.times):
                yield

    ran: list[int] = []
    for times, said in ((0, "did not yield"), (2, "has second yield")):
        handler = get_handler("threading", wrappers=[Yielding(times)])
        with pytest.raises(RuntimeError, match=said):
            handler.dispatch_callback(Callback("", ran.append, (times,)))
        handler.start()
        handler.stop()
    # The call without a yield was not made.
    assert ran == [2]
