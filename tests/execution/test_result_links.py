"""Links of results."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from execution.tasks import Oops, drained
from handler_core import (
    AsyncResult,
    Handler,
    get_handler,
)


@pytest.fixture
def handler(handler: Handler) -> Handler:
    """Return a handler that was started."""
    handler.start()
    return handler


# Links.


def test_a_link_before_the_outcome(result: AsyncResult[Any]) -> None:
    called: list[Any] = []
    result.link(called.append)
    assert called == []
    result.set(1)
    drained(result)
    assert called == [result]


def test_a_link_after_the_outcome(result: AsyncResult[Any]) -> None:
    first: list[Any] = []
    second: list[Any] = []
    result.rawlink(first.append)
    result.set_exception(Oops())
    result.rawlink(second.append)
    drained(result)
    assert first == [result]
    assert second == [result]


def test_links_run_in_order(result: AsyncResult[Any]) -> None:
    called: list[int] = []
    for number in range(100):
        result.link(lambda done, number=number: called.append(number))
    result.set(1)
    drained(result)
    assert called == list(range(100))


def test_a_function_linked_twice_counts_once(result: AsyncResult[Any]) -> None:
    called: list[Any] = []

    def callback(done: AsyncResult[Any]) -> None:
        called.append(done)

    result.link(callback)
    result.link(callback)
    result.set(1)
    drained(result)
    assert called == [result]


def test_a_bound_method_linked_twice_counts_once(result: AsyncResult[Any]) -> None:
    class Listener:
        def __init__(self) -> None:
            self.called: list[Any] = []

        def __call__(self, done: AsyncResult[Any]) -> None:
            raise AssertionError

        def done(self, done: AsyncResult[Any]) -> None:
            self.called.append(done)

    one, other = Listener(), Listener()
    for _ in range(3):
        result.link(one.done)  # a new object each time, equal to the others
        result.link(other.done)
    result.set(1)
    drained(result)
    assert one.called == [result]
    assert other.called == [result]


def test_unlink(result: AsyncResult[Any]) -> None:
    called: list[str] = []

    class Listener:
        def done(self, result: AsyncResult[Any]) -> None:
            called.append("unlinked")

    listener = Listener()
    result.link(listener.done)
    result.link(lambda done: called.append("linked"))
    result.unlink(listener.done)
    result.unlink(listener.done)
    result.unlink(print)
    result.unlink(None)  # type: ignore[arg-type]
    result.set(1)
    result.unlink(listener.done)
    drained(result)
    assert called == ["linked"]


def test_unlink_then_link_again(result: AsyncResult[Any]) -> None:
    called: list[Any] = []
    callback = called.append
    result.link(callback)
    result.unlink(callback)
    result.link(callback)
    result.set(1)
    drained(result)
    assert called == [result]


@pytest.mark.parametrize("bad", [None, 1, "print"])
def test_what_cannot_be_called_cannot_be_linked(result: AsyncResult[Any], bad: object) -> None:
    with pytest.raises(TypeError, match="link"):
        result.link(bad)  # type: ignore[arg-type]
    result.set(1)
    with pytest.raises(TypeError, match="link"):
        result.link(bad)  # type: ignore[arg-type]


def test_a_link_that_raises_is_logged_and_the_others_run(
    result: AsyncResult[Any], caplog: pytest.LogCaptureFixture
) -> None:
    called: list[Any] = []

    def fail(done: AsyncResult[Any]) -> None:
        raise Oops("from the link")

    result.link(fail)
    result.link(called.append)
    with caplog.at_level(logging.ERROR, "handler_core"):
        result.set(1)
        drained(result)
    assert called == [result]
    (record,) = caplog.records
    assert record.name == "handler_core"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], Oops)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_exit_from_a_link_in_the_setter_lets_the_others_run(error: type[BaseException]) -> None:
    called: list[str] = []

    def leave(done: AsyncResult[Any]) -> None:
        called.append("leave")
        raise error

    def leave_too(done: AsyncResult[Any]) -> None:
        called.append("too")
        raise error

    result: AsyncResult[int] = AsyncResult()
    result.link(leave)
    result.link(leave_too)
    result.link(lambda done: called.append("last"))
    with pytest.raises(error):
        result.set(1)
    assert called == ["leave", "too", "last"]
    assert result.get() == 1


def test_links_of_a_stopped_handler_run_in_the_setter() -> None:
    result = get_handler("threading").async_result()
    threads: list[threading.Thread] = []
    result.link(lambda done: threads.append(threading.current_thread()))
    result.set(1)
    result.link(lambda done: threads.append(threading.current_thread()))
    assert threads == [threading.current_thread()] * 2


def test_a_link_may_link_set_and_unlink() -> None:
    result: AsyncResult[int] = AsyncResult()
    called: list[str] = []

    def first(done: AsyncResult[int]) -> None:
        called.append("first")
        done.unlink(second)
        done.link(second)
        done.set(2)

    def second(done: AsyncResult[int]) -> None:
        called.append("second")

    result.link(first)
    result.set(1)
    assert called == ["first", "second"]
    assert result.get() == 2


def test_links_of_many_results_run_in_the_order_of_the_outcomes(handler: Handler) -> None:
    results = [handler.async_result() for _ in range(200)]
    called: list[int] = []
    for number, result in enumerate(results):
        result.link(lambda done, number=number: called.append(number))
    order = [*range(1, 200, 2), *range(0, 200, 2)]
    for number in order:
        results[number].set(number)
    handler.stop()
    assert called == order
