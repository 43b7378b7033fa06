"""The outcome of a result, and waiting for it."""

from __future__ import annotations

import copy
import errno
import gc
import pickle
import sys
import threading
import time
from typing import Any

import pytest
from handler_core_threading import AsyncResult as ThreadingResult
from handler_core_threading import KazooTimeoutError, SequentialThreadingHandler

from execution.tasks import Oops, drained
from handler_core import (
    AsyncResult,
    HandlerTimeoutError,
    IAsyncResult,
    get_handler,
)

# The outcome.


def test_pending(result: AsyncResult[Any]) -> None:
    assert not result.ready()
    assert not result.successful()
    assert result.value is None
    assert result.exception is None
    assert repr(result).endswith("pending>")


@pytest.mark.parametrize("value", [None, 0, "", [], Oops("a value, not an outcome"), Oops])
def test_any_value_is_a_value(result: AsyncResult[Any], value: object) -> None:
    result.set(value)
    assert result.ready()
    assert result.successful()
    assert result.value is value
    assert result.exception is None
    assert result.get() is value
    assert result.get_nowait() is value
    assert result.get(block=False) is value
    assert result.get(timeout=0) is value
    assert result.wait(0) is True
    assert repr(value) in repr(result)


def test_set_without_a_value_sets_none(result: AsyncResult[Any]) -> None:
    result.set()
    assert result.successful()
    assert result.get() is None


@pytest.mark.parametrize("error", [Oops("x"), KeyboardInterrupt(), SystemExit(3)])
def test_an_exception(result: AsyncResult[Any], error: BaseException) -> None:
    result.set_exception(error)
    assert result.ready()
    assert not result.successful()
    assert result.value is None
    assert result.exception is error
    for get in (result.get, result.get_nowait, lambda: result.get(False, 0)):
        with pytest.raises(type(error)) as caught:
            get()
        assert caught.value is error
    assert repr(error) in repr(result)


@pytest.mark.parametrize("bad", [Oops, "error", None, 3])
def test_what_is_no_exception_is_refused(result: AsyncResult[Any], bad: object) -> None:
    with pytest.raises(TypeError, match="takes an exception"):
        result.set_exception(bad)  # type: ignore[arg-type]
    assert not result.ready()
    result.set(1)
    assert result.get() == 1


def test_an_exception_class_gets_a_hint(result: AsyncResult[Any]) -> None:
    with pytest.raises(TypeError, match=r"Oops\(\)"):
        result.set_exception(Oops)  # type: ignore[arg-type]


def test_a_later_outcome_replaces_the_earlier_one(result: AsyncResult[Any]) -> None:
    called: list[Any] = []
    result.link(called.append)
    result.set(1)
    result.set_exception(Oops())
    with pytest.raises(Oops):
        result.get()
    result.set(2)
    assert result.get() == 2
    assert result.exception is None
    drained(result)
    assert called == [result]


def test_it_is_an_async_result_to_isinstance(result: AsyncResult[Any]) -> None:
    assert isinstance(result, IAsyncResult)
    assert isinstance(AsyncResult[int](), AsyncResult)


def test_a_subclass_may_have_attributes() -> None:
    class Named(AsyncResult[int]):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    result = Named("x")
    result.link(lambda done: setattr(done, "name", "y"))
    result.set(1)
    assert (result.name, result.get()) == ("y", 1)
    assert repr(result) == "<Named value=1>"


def test_the_threading_class_needs_no_handler() -> None:
    result = ThreadingResult()
    with pytest.raises(KazooTimeoutError):
        result.get_nowait()
    result.set(5)
    assert result.get() == 5


def test_a_pending_result_is_small() -> None:
    handler = get_handler("threading")
    for result in (AsyncResult(), AsyncResult(handler), handler.async_result()):
        # The header of the collector is part of what getsizeof says of an object.
        assert sys.getsizeof(result) <= 112
        assert not hasattr(result, "__dict__")
        assert all(
            not gc.is_tracked(referent) or referent is handler or isinstance(referent, (type))
            for referent in gc.get_referents(result)
            if referent is not result._handler
        )


# Timeouts.


@pytest.mark.parametrize("timeout", [0, -1, 0.02, float("-inf"), float("nan")])
def test_get_times_out(result: AsyncResult[Any], timeout: float) -> None:
    begun = time.monotonic()
    with pytest.raises(result._handler.timeout_exception) as caught:
        result.get(timeout=timeout)
    assert time.monotonic() - begun >= (timeout if timeout > 0 else 0)
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value, HandlerTimeoutError)
    assert not result.ready()
    assert result._waiters in (None, [])


def test_wait_says_false_when_the_time_is_over(result: AsyncResult[Any]) -> None:
    begun = time.monotonic()
    assert result.wait(0.02) is False
    assert time.monotonic() - begun >= 0.02
    assert result.wait(0) is False
    result.set(1)
    assert result.wait() is True


@pytest.mark.parametrize("timeout", [1e6, 1e300, float("inf"), None])
def test_a_long_timeout_waits(timeout: float | None) -> None:
    result: AsyncResult[int] = AsyncResult()
    threading.Timer(0.02, result.set, (3,)).start()
    assert result.get(timeout=timeout) == 3


def test_a_timeout_that_is_no_number(result: AsyncResult[Any]) -> None:
    with pytest.raises(TypeError, match="number of seconds"):
        result.get(timeout="1")  # type: ignore[arg-type]
    assert not result.ready()


def test_get_nowait_while_pending(result: AsyncResult[Any]) -> None:
    with pytest.raises(TimeoutError, match="no result yet") as caught:
        result.get_nowait()
    assert isinstance(caught.value, result._handler.timeout_exception)


def test_the_handlers_own_timeout_exception_is_no_oserror() -> None:
    assert not issubclass(HandlerTimeoutError, OSError)
    assert not issubclass(KazooTimeoutError, OSError)


def test_the_timeout_error_of_a_client_is_that_of_get() -> None:
    handler = get_handler("threading")
    with pytest.raises(TimeoutError) as caught:
        handler.async_result().get(timeout=0)
    assert type(handler.timeout_error("late")) is type(caught.value)
    error = handler.timeout_error(errno.ETIMEDOUT, "late")
    assert isinstance(error, TimeoutError)
    assert error.errno == errno.ETIMEDOUT


def test_the_timeout_error_pickles_and_copies() -> None:
    for result, cls in (
        (AsyncResult[Any](), HandlerTimeoutError),
        (get_handler("threading").async_result(), KazooTimeoutError),
    ):
        with pytest.raises(cls) as caught:
            result.get(timeout=0)
        caught.value.add_note("of the client")
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            again = pickle.loads(pickle.dumps(caught.value, protocol))
            assert type(again) is type(caught.value)
            assert isinstance(again, TimeoutError)
            assert again.args == caught.value.args
            assert again.__notes__ == ["of the client"]
        assert type(copy.copy(caught.value)) is type(caught.value)
        assert type(caught.value).__name__ == cls.__name__
        assert str(caught.value) == "there was no result within 0 seconds"


def test_a_wait_that_is_interrupted_leaves_nothing_behind() -> None:
    class Interrupt(BaseException):
        pass

    class Interrupted(SequentialThreadingHandler):
        def new_waiter(self) -> Any:
            class Waiter:
                def park(self, timeout: float | None = None) -> bool:
                    raise Interrupt

                def wake(self) -> None:
                    pass

            return Waiter()

    result = AsyncResult[Any](Interrupted())
    with pytest.raises(Interrupt):
        result.wait()
    assert result._waiters == []
