from __future__ import annotations

import contextlib
import copy
import gc
import logging
import pickle
import signal
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from handler_core_threading import AsyncResult as ThreadingResult
from handler_core_threading import KazooTimeoutError, SequentialThreadingHandler
from interrupting import at_each_instruction

from handler_core import (
    AsyncResult,
    Handler,
    HandlerTimeoutError,
    IAsyncResult,
    get_handler,
)


class Oops(Exception):
    """Nobody else raises it."""


@pytest.fixture
def handler() -> Iterator[Handler]:
    with get_handler("threading") as handler:
        yield handler


@pytest.fixture(params=["detached", "stopped", "running"])
def result(request: pytest.FixtureRequest) -> Iterator[AsyncResult[Any]]:
    if request.param == "detached":
        yield AsyncResult()
        return
    handler = get_handler("threading")
    if request.param == "running":
        handler.start()
    yield handler.async_result()
    handler.stop()


def in_threads(*functions: Callable[[], object]) -> None:
    """Run all of them at once, and raise what the first one raised."""
    barrier = threading.Barrier(len(functions))
    errors: list[BaseException] = []

    def run(function: Callable[[], object]) -> None:
        barrier.wait(10)
        try:
            function()
        except BaseException as error:  # raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(f,), daemon=True) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def drained(result: AsyncResult[Any]) -> None:
    """Wait until the links that are queued have run."""
    result._handler.stop()


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


def test_the_timeout_error_pickles_and_copies() -> None:
    for result, cls in (
        (AsyncResult[Any](), HandlerTimeoutError),
        (get_handler("threading").async_result(), KazooTimeoutError),
    ):
        with pytest.raises(cls) as caught:
            result.get(timeout=0)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            again = pickle.loads(pickle.dumps(caught.value, protocol))
            assert type(again) is cls
            assert again.args == caught.value.args
        assert isinstance(copy.copy(caught.value), cls)
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


# Threads.


def test_all_waiters_wake(handler: Handler) -> None:
    for _ in range(20):
        result = handler.async_result()
        got: list[Any] = []
        waiters = [lambda r=result, g=got: g.append(r.get(timeout=60))] * 10
        waiters += [lambda r=result, g=got: g.append(r.wait(60) and r.get())] * 10
        in_threads(*waiters, lambda r=result: r.set(7))
        assert got == [7] * 20


def test_every_link_is_called_once_whatever_races(result: AsyncResult[Any]) -> None:
    handler = result._handler
    for _ in range(200):
        racing: AsyncResult[int] = type(result)(handler)
        called: list[int] = []

        def link(number: int, racing: AsyncResult[int], called: list[int]) -> None:
            racing.link(lambda done: called.append(number))

        in_threads(
            *[lambda n=n, racing=racing, called=called: link(n, racing, called) for n in range(3)],
            lambda racing=racing: racing.set(1),
        )
        if handler is not AsyncResult.detached and handler.running:
            done = threading.Event()
            racing.link(lambda _, done=done: done.set())
            assert done.wait(10)
        assert sorted(called) == [0, 1, 2]


def test_an_unlink_that_races_never_breaks_anything(handler: Handler) -> None:
    for _ in range(200):
        result = handler.async_result()
        called: list[str] = []
        fixed = threading.Event()

        def removed(done: AsyncResult[Any], called: list[str] = called) -> None:
            called.append("removed")

        result.link(removed)
        result.link(lambda done, called=called: called.append("kept"))
        in_threads(
            lambda r=result, f=removed: r.unlink(f),
            lambda r=result, f=removed: r.unlink(f),
            lambda r=result: r.set(1),
        )
        result.link(lambda done, fixed=fixed: fixed.set())
        assert fixed.wait(10)
        assert called in (["kept"], ["removed", "kept"])


def test_racing_setters_call_each_link_once_and_wake_each_waiter(handler: Handler) -> None:
    for _ in range(100):
        result = handler.async_result()
        called: list[Any] = []
        fixed = threading.Event()
        result.link(called.append)
        in_threads(
            lambda r=result: r.set(1),
            lambda r=result: r.set(2),
            lambda r=result: r.set(3),
            lambda r=result: r.wait(60),
        )
        result.link(lambda done, fixed=fixed: fixed.set())
        assert fixed.wait(10)
        assert called == [result]
        assert result.get() in (1, 2, 3)


def test_a_reader_never_sees_half_of_an_outcome() -> None:
    result: AsyncResult[int] = AsyncResult()
    result.set(0)
    error = Oops()
    over = threading.Event()

    def flip() -> None:
        for number in range(3000):
            result.set(number)
            result.set_exception(error)
        over.set()

    def read() -> None:
        while not over.is_set():
            assert result.ready()
            assert type(result.value) in (type(None), int)
            assert result.exception in (None, error)
            with contextlib.suppress(Oops):
                assert isinstance(result.get(), int)

    in_threads(flip, read, read)


# Signal handlers and finalizers.


def test_a_set_in_the_midst_of_a_wait_is_seen() -> None:
    lost: list[bool] = []
    results: list[AsyncResult[int]] = []

    class Waiter:
        woken = False

        def park(self, timeout: float | None = None) -> bool:
            lost.append(results[-1].ready() and not self.woken)
            return False

        def wake(self) -> None:
            assert not self.woken
            self.woken = True

    class Waiting(SequentialThreadingHandler):
        def new_waiter(self) -> Any:
            return Waiter()

    for waited_for in (False, True):

        def setup(waited_for: bool = waited_for) -> tuple[Any, Any]:
            result = AsyncResult[int](Waiting())
            result._waiters = [Waiter()] if waited_for else None
            results.append(result)
            return result.wait, lambda: result.set(1)

        for number in at_each_instruction(AsyncResult.wait, setup):
            assert not any(lost), f"parked for ever at instruction {number}"
            results[-1].set(2)
    assert lost


def test_a_set_in_the_midst_of_a_link_calls_it_once(result: AsyncResult[Any]) -> None:
    handler = result._handler
    state: dict[str, Any] = {}
    for others in (0, 1):

        def setup(others: int = others) -> tuple[Any, Any]:
            linked: AsyncResult[int] = type(result)(handler)
            called: list[Any] = []
            state.update(called=called, linked=linked)
            for _ in range(others):
                linked.link(lambda done: None)
            return lambda: linked.link(called.append), lambda: linked.set(1)

        for number in at_each_instruction(AsyncResult.link, setup):
            ran = threading.Event()
            state["linked"].link(lambda done, ran=ran: ran.set())
            assert ran.wait(10)
            assert state["called"] == [state["linked"]], f"at instruction {number}"


@pytest.mark.parametrize("function", [AsyncResult.set, AsyncResult._settle])
@pytest.mark.parametrize("linked_before", [False, True])
def test_a_link_in_the_midst_of_a_set_is_called_once(
    result: AsyncResult[Any], function: Any, linked_before: bool
) -> None:
    handler = result._handler
    state: dict[str, Any] = {}

    def setup() -> tuple[Any, Any]:
        linked: AsyncResult[int] = type(result)(handler)
        called: list[Any] = []
        state.update(called=called, linked=linked, before=[])
        if linked_before or function is AsyncResult._settle:
            linked.link(state["before"].append)
        return lambda: linked.set(1), lambda: linked.link(called.append)

    for number in at_each_instruction(function, setup):
        ran = threading.Event()
        state["linked"].link(lambda done, ran=ran: ran.set())
        assert ran.wait(10)
        assert state["called"] == [state["linked"]], f"at instruction {number}"
        assert len(state["before"]) == (linked_before or function is AsyncResult._settle)


@pytest.mark.parametrize("function", [AsyncResult.set, AsyncResult._settle])
def test_a_thread_that_waits_from_the_midst_of_a_set_wakes(handler: Handler, function: Any) -> None:
    state: dict[str, Any] = {}

    def setup() -> tuple[Any, Any]:
        waited_for = handler.async_result()
        if function is AsyncResult._settle:
            waited_for.link(lambda done: None)
        thread = threading.Thread(target=waited_for.get, daemon=True)
        state["thread"] = None

        def begin_to_wait() -> None:
            state["thread"] = thread
            thread.start()
            # Until it waits, or has seen the outcome, or cannot go on before the setter does.
            while thread.is_alive() and not waited_for._waiters and not handler._lock._is_owned():
                time.sleep(0)

        return lambda: waited_for.set(1), begin_to_wait

    for number in at_each_instruction(function, setup):
        state["thread"].join(10)
        assert not state["thread"].is_alive(), f"at instruction {number}"


@pytest.mark.parametrize("function", [AsyncResult.set, AsyncResult._settle])
def test_who_sees_a_result_set_and_sets_another_has_its_links_called_later(
    handler: Handler, function: Any
) -> None:
    state: dict[str, Any] = {}

    def setup() -> tuple[Any, Any]:
        first, second = handler.async_result(), handler.async_result()
        called: list[str] = []
        first.link(lambda done: called.append("first"))
        second.link(lambda done: called.append("second"))
        thread = threading.Thread(target=second.set, daemon=True)
        state.update(called=called, second=second, thread=thread)

        def set_the_other() -> None:
            if first.ready():
                thread.start()
                # Until it has set, or cannot go on before this setter does.
                while thread.is_alive() and not handler._lock._is_owned():
                    time.sleep(0)

        return first.set, set_the_other

    for number in at_each_instruction(function, setup):
        if state["thread"].ident is None:
            state["second"].set()
        else:
            state["thread"].join(10)
        over = handler.async_result()
        ran = threading.Event()
        over.link(lambda done, ran=ran: ran.set())
        over.set()
        assert ran.wait(10)
        assert state["called"] == ["first", "second"], f"at instruction {number}"


def test_a_set_or_unlink_in_the_midst_of_an_unlink() -> None:
    for interruption in ("set", "unlink"):
        called: list[Any] = []

        def setup(how: str = interruption, called: list[Any] = called) -> tuple[Any, Any]:
            called.clear()
            linked: AsyncResult[int] = AsyncResult()
            linked.link(called.append)

            def interrupt() -> None:
                if how == "set":
                    linked.set(1)
                else:
                    linked.unlink(called.append)

            def unlink() -> None:
                linked.unlink(called.append)
                linked.set(2)

            return unlink, interrupt

        for number in at_each_instruction(AsyncResult.unlink, setup):
            assert len(called) <= (1 if interruption == "set" else 0), f"at instruction {number}"


def test_a_signal_handler_may_set_what_its_thread_sets_and_waits_for(handler: Handler) -> None:
    fired = 0
    current: list[AsyncResult[int]] = []

    def on_signal(number: int, frame: object) -> None:
        nonlocal fired
        fired += 1
        handler.async_result().set(1)
        for result in current:
            result.set(fired)

    previous = signal.signal(signal.SIGALRM, on_signal)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        deadline = time.monotonic() + 30
        rounds = 0
        while fired < 100 and time.monotonic() < deadline:
            result = handler.async_result()
            called: list[Any] = []
            current[:] = [result]
            result.link(called.append)
            if rounds % 10 == 0:
                assert result.get(timeout=30) > 0
            else:
                result.set(0)
            rounds += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert fired >= 100


def test_a_finalizer_may_set_whatever_its_thread_is_doing(handler: Handler) -> None:
    class Cycle:
        def __init__(self, result: AsyncResult[int]) -> None:
            self.result = result
            self.me = self

        def __del__(self) -> None:
            self.result.set(1)

    results = [handler.async_result() for _ in range(2000)]
    called: list[Any] = []
    threshold = gc.get_threshold()
    gc.set_threshold(10)
    try:
        for result in results:
            Cycle(result)
            result.link(called.append)
            handler.async_result().set(2)
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert all(result.wait(10) for result in results)
    handler.stop()
    assert sorted(map(id, called)) == sorted(map(id, results))
