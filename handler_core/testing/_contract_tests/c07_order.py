"""C7: the order of callbacks and links."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from handler_core import Callback, Handler, hookimpl
from handler_core.lookup._apply_wrappers import bind_wrappers
from handler_core.testing._suite import Suite, calling
from handler_core.testing._time_limits import LONG

__all__ = ["OrderTests"]


class _Seeing:
    """A wrapper that records each callback that runs."""

    def __init__(self) -> None:
        self.ran: list[Any] = []

    @hookimpl(wrapper=True)
    def run_callback(self, callback: Any) -> Any:
        self.ran.append(callback)
        return (yield)


class _OwnCallback:
    """A client's own class of callbacks. Callbacks need not be hashable."""

    __slots__ = ("args", "func")

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, func: Callable[..., object], *args: Any) -> None:
        self.func = func
        self.args = args


class OrderTests(Suite):
    """C7: callbacks and links run one at a time, in order, on two workers."""

    def test_c7_callbacks_run_in_the_order_of_dispatch(self, handler: Handler) -> None:
        """The order holds even if callbacks let other tasks run."""
        ran: list[int] = []

        def callback(number: int) -> None:
            if number % 10 == 0:
                handler.sleep_func(0)
            ran.append(number)

        for number in range(500):
            self.dispatch(handler, callback, number)
        self.drained(handler)
        assert ran == list(range(500))

    def test_c7_callbacks_run_one_at_a_time(self, handler: Handler) -> None:
        """The next callback waits while one of them sleeps."""
        running: list[int] = []
        most: list[int] = []

        def callback(number: int) -> None:
            running.append(number)
            handler.sleep_func(0.001)
            most.append(len(running))
            running.remove(number)

        for number in range(20):
            self.dispatch(handler, callback, number)
        self.drained(handler)
        assert most == [1] * 20

    def test_c7_links_run_in_the_order_of_the_sets(self, handler: Handler) -> None:
        """The order of the links does not count, nor whether a value or an exception was set."""
        ran: list[int] = []
        gate, done = handler.event_object(), handler.event_object()
        self.queue(handler, True, gate.wait, LONG)
        results = [handler.async_result() for _ in range(200)]
        for number, result in enumerate(results):
            result.link(calling(ran.append, number))
        results[0].link(calling(done.set))
        for number, result in reversed([*enumerate(results)]):
            if number % 3 == 1:
                result.set_exception(ValueError("as planned"))
            else:
                result.set()
        gate.set()
        self.happens(done)
        assert ran == list(range(199, -1, -1))

    def test_c7_links_run_one_at_a_time(self, handler: Handler) -> None:
        """The next link waits while one of them sleeps."""
        running: list[int] = []
        most: list[int] = []
        done = handler.event_object()

        def link(_: Any) -> None:
            running.append(1)
            handler.sleep_func(0.001)
            most.append(len(running))
            running.pop()
            if len(most) == 20:
                done.set()

        for _ in range(20):
            result = handler.async_result()
            result.link(link)
            result.set()
        self.happens(done)
        assert most == [1] * 20

    def test_c7_a_callback_does_not_block_links(self, handler: Handler) -> None:
        """A callback may wait for a link, as a watch may wait for the result of a request."""
        done = handler.event_object()
        seen: list[bool] = []
        result = handler.async_result()
        linked = handler.event_object()
        result.link(calling(linked.set))

        def callback() -> None:
            result.set()
            seen.append(linked.wait(LONG))
            done.set()

        self.dispatch(handler, callback)
        self.happens(done)
        assert seen == [True]

    def test_c7_a_link_does_not_block_callbacks(self, handler: Handler) -> None:
        """A link may wait for a callback, as a completion may wait for a watch."""
        done = handler.event_object()
        seen: list[bool] = []
        dispatched = handler.event_object()

        def link(_: Any) -> None:
            self.dispatch(handler, dispatched.set)
            seen.append(dispatched.wait(LONG))
            done.set()

        result = handler.async_result()
        result.link(link)
        result.set()
        self.happens(done)
        assert seen == [True]

    def test_c7_wrappers_see_the_dispatched_object(self) -> None:
        """They see the very same object, which they may have seen at its dispatch."""
        seeing = _Seeing()
        handler = self.make_handler()
        bind_wrappers(handler, [seeing])
        event = handler.event_object()
        callbacks = [_OwnCallback(int) for _ in range(3)]
        callbacks += [callbacks[0], _OwnCallback(event.set)]
        handler.start()
        try:
            for callback in callbacks:
                handler.dispatch_callback(callback)
            self.happens(event)
        finally:
            handler.stop()
        assert len(seeing.ran) == len(callbacks)
        for ran, callback in zip(seeing.ran, callbacks, strict=True):
            assert ran is callback, "what ran is not the object that was dispatched"

    def test_c7_wrappers_see_a_link_as_a_callback(self) -> None:
        """It has the type ``completion``, and the result as its argument."""
        seeing = _Seeing()
        handler = self.make_handler()
        bind_wrappers(handler, [seeing])
        event = handler.event_object()
        link = calling(event.set)
        handler.start()
        try:
            result = handler.async_result()
            result.link(link)
            result.set()
            self.happens(event)
        finally:
            handler.stop()
        assert seeing.ran == [Callback("completion", link, (result,))]

    @pytest.mark.parametrize("late", [False, True], ids=["set", "link to what is set"])
    @pytest.mark.parametrize("where", ["callback", "link", "task", "OS thread"])
    def test_c7_whoever_sets_or_links_calls_nobody(
        self, handler: Handler, where: str, late: bool
    ) -> None:
        """The second worker calls the links once it is free, wherever the result was set."""
        returned, linked = handler.event_object(), handler.event_object()
        seen: list[bool] = []
        result = handler.async_result()

        def link(_: Any) -> None:
            seen.append(returned.wait(LONG))
            linked.set()

        def work() -> None:
            if late:
                result.set()
                result.link(link)
            else:
                result.link(link)
                result.set()

        def work_and_return() -> None:
            work()
            returned.set()

        if where in ("callback", "link"):
            self.queue(handler, where == "link", work_and_return)
        elif where == "task":
            handler.spawn(work_and_return)
        else:
            self.os_thread(work).result(handler)
            returned.set()
        self.happens(linked)
        assert seen == [True], "the caller runs the link"

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c7_what_is_dispatched_inside_waits_its_turn(
        self, handler: Handler, linked: bool
    ) -> None:
        """It runs after the current callback, whether that one or a link has dispatched it."""
        ran: list[str] = []
        dispatched, done = handler.event_object(), handler.event_object()
        result = handler.async_result()

        def second() -> None:
            ran.append("second")
            done.set()

        def dispatch() -> None:
            self.dispatch(handler, second)
            dispatched.set()

        def first() -> None:
            if linked:
                result.set()
            else:
                dispatch()
            dispatched.wait(LONG)
            handler.sleep_func(0.02)  # time in which the second could run
            ran.append("first")

        result.link(calling(dispatch))
        self.dispatch(handler, first)
        self.happens(done)
        assert ran == ["first", "second"]
