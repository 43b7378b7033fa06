"""Tracebacks of stored exceptions, and what a result keeps alive."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
import traceback
import weakref
from typing import Any

import pytest

from execution.tasks import Oops, in_threads
from handler_core import (
    AsyncResult,
    Handler,
)


@pytest.fixture
def handler(handler: Handler) -> Handler:
    """Return a handler that was started."""
    handler.start()
    return handler


# Tracebacks and references.


def traceback_length(error: BaseException) -> int:
    return len(traceback.extract_tb(error.__traceback__))


def raised_somewhere() -> Oops:
    def inner() -> None:
        raise Oops("origin")

    try:
        inner()
    except Oops as error:
        return error
    raise AssertionError


def test_repeated_gets_do_not_lengthen_the_traceback(result: AsyncResult[Any]) -> None:
    error = raised_somewhere()
    result.set_exception(error)
    lengths = set()
    for _ in range(20):
        with pytest.raises(Oops):
            result.get()
        lengths.add(traceback_length(error))
    # This function and `get` in front of the two frames where it was raised.
    assert lengths == {4}
    assert traceback.extract_tb(error.__traceback__)[-1].name == "inner"


def test_an_exception_shared_by_many_results_does_not_lengthen(handler: Handler) -> None:
    error = raised_somewhere()
    for _ in range(20):
        for result in [handler.async_result() for _ in range(5)]:
            result.set_exception(error)
            with pytest.raises(Oops):
                result.get_nowait()
            with pytest.raises(Oops):
                result.get()
    assert traceback_length(error) == 4


def test_an_exception_passed_on_from_result_to_result_keeps_its_origin() -> None:
    error = raised_somewhere()
    for _ in range(20):
        result: AsyncResult[Any] = AsyncResult()
        result.set_exception(error)
        try:
            result.get()
        except Oops as caught:
            error = caught
    assert traceback_length(error) == 4
    assert traceback.extract_tb(error.__traceback__)[-1].name == "inner"


def test_an_exception_that_was_never_raised_gets_what_one_get_adds() -> None:
    error = Oops()
    results = [AsyncResult[Any]() for _ in range(5)]
    for result in results:
        result.set_exception(error)
    for result in results * 3:
        with pytest.raises(Oops):
            result.get()
        assert traceback_length(error) == 2


def test_many_threads_that_raise_one_exception_do_not_lengthen_it(handler: Handler) -> None:
    error = raised_somewhere()
    results = [handler.async_result() for _ in range(8)]
    for result in results:
        result.set_exception(error)

    def get_often() -> None:
        for _ in range(100):
            for result in results:
                with contextlib.suppress(Oops):
                    result.get()

    in_threads(*[get_often] * 4)
    with pytest.raises(Oops):
        results[0].get()
    assert traceback_length(error) == 4


def test_a_raising_get_leaves_no_cycle() -> None:
    holder = {"result": AsyncResult[Any]()}
    holder["result"].set_exception(Oops())

    def get() -> None:
        with contextlib.suppress(Oops):
            holder["result"].get()

    gc.collect()
    gc.disable()
    try:
        get()
        result = weakref.ref(holder["result"])
        exception = weakref.ref(holder["result"].exception)
        del holder["result"]
        assert result() is None
        assert exception() is None
    finally:
        gc.enable()


def test_a_timed_out_get_leaves_no_cycle(handler: Handler) -> None:
    gc.collect()
    gc.disable()
    try:
        result = handler.async_result()
        with pytest.raises(TimeoutError):
            result.get(timeout=0.001)
        reference = weakref.ref(result)
        del result
        assert reference() is None
    finally:
        gc.enable()


def test_a_result_and_its_links_are_freed_when_they_have_run(handler: Handler) -> None:
    gc.collect()
    gc.disable()
    try:
        ran = threading.Event()
        result = handler.async_result()
        result.link(lambda done: ran.set())
        result.set(Oops())
        value, reference = weakref.ref(result.value), weakref.ref(result)
        del result
        assert ran.wait(10)
        deadline = time.monotonic() + 10
        while reference() is not None and time.monotonic() < deadline:
            time.sleep(0.001)
        assert reference() is None
        assert value() is None
    finally:
        gc.enable()
