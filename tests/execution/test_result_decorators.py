from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from handler_core import AsyncResult, capture_exceptions, get_handler, wrap


@pytest.fixture(params=["detached", "threading"])
def result(request: pytest.FixtureRequest) -> AsyncResult[Any]:
    if request.param == "detached":
        return AsyncResult()
    return get_handler("threading").async_result()


@pytest.mark.parametrize("decorator", [capture_exceptions, wrap])
def test_an_exception_becomes_the_outcome(
    decorator: Callable[..., Any], result: AsyncResult[Any]
) -> None:
    error = ValueError("x")

    @decorator(result)
    def fail(number: int, *, more: int) -> int:
        assert (number, more) == (1, 2)
        raise error

    assert fail(1, more=2) is None
    assert result.exception is error
    with pytest.raises(ValueError, match="x"):
        result.get_nowait()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("decorator", [capture_exceptions, wrap])
def test_what_is_no_exception_goes_on_to_the_caller(
    decorator: Callable[..., Any], result: AsyncResult[Any], error: type[BaseException]
) -> None:
    @decorator(result)
    def leave() -> None:
        raise error

    with pytest.raises(error):
        leave()
    assert not result.ready()


def test_capture_exceptions_sets_no_value(result: AsyncResult[Any]) -> None:
    @capture_exceptions(result)
    def function(number: int) -> int:
        return number + 1

    assert function(3) == 4
    assert not result.ready()


@pytest.mark.parametrize("value", [0, "", False, [], "path", ValueError("as a value")])
def test_wrap_sets_what_is_returned(result: AsyncResult[Any], value: object) -> None:
    @wrap(result)
    def function() -> object:
        return value

    assert function() is value
    assert result.get_nowait() is value


def test_wrap_sets_nothing_for_none(result: AsyncResult[Any]) -> None:
    @wrap(result)
    def function() -> None:
        pass

    assert function() is None
    assert not result.ready()
    result.set("later")
    assert result.get_nowait() == "later"


@pytest.mark.parametrize("decorator", [capture_exceptions, wrap])
def test_the_function_keeps_its_face(
    decorator: Callable[..., Any], result: AsyncResult[Any]
) -> None:
    @decorator(result)
    def function(number: int, *, more: str = "x") -> str:
        """What it says."""
        return more * number

    assert function.__name__ == "function"
    assert function.__doc__ == "What it says."
    assert list(inspect.signature(function).parameters) == ["number", "more"]
    assert function(2, more="y") == "yy"


def test_a_wrong_call_is_captured_too(result: AsyncResult[Any]) -> None:
    @wrap(result)
    def function(number: int) -> int:
        return number

    assert function() is None  # type: ignore[call-arg]
    assert isinstance(result.exception, TypeError)


def test_as_a_completion_callback() -> None:
    """As kazoo's client uses it: one result is set from the callback of another."""
    handler = get_handler("threading")
    with handler:
        first, second = handler.async_result(), handler.async_result()

        @wrap(second)
        def completed(done: AsyncResult[Any]) -> str:
            return f"{done.get()}!"

        first.rawlink(completed)
        first.set("done")
        assert second.get(timeout=30) == "done!"


def test_a_captured_exception_does_not_lengthen_when_it_is_raised_again() -> None:
    def fail() -> None:
        raise ValueError("x")

    first: AsyncResult[Any] = AsyncResult()
    capture_exceptions(first)(fail)()
    lengths = []
    for _ in range(5):
        with pytest.raises(ValueError, match="x") as caught:
            first.get()
        lengths.append(len(caught.traceback))
    assert len(set(lengths)) == 1
