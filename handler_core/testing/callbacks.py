"""C7 to C9: running callbacks."""

from __future__ import annotations

import functools
import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from handler_core import Callback, Handler, hookimpl
from handler_core.lookup._wrapped_hooks import bind_wrappers
from handler_core.testing.suite import LIMIT, LONG, Suite, calling

__all__ = ["CallbackTests"]


class _NoException(BaseException):
    """As the kill and timeout exceptions of green threads: no ``Exception``."""


class _Seeing:
    """A wrapper that notes what runs."""

    def __init__(self) -> None:
        self.ran: list[Any] = []

    @hookimpl(wrapper=True)
    def run_callback(self, callback: Any) -> Any:
        self.ran.append(callback)
        return (yield)


class _OwnCallback:
    """A client's own class of callbacks, which need not be hashable."""

    __slots__ = ("args", "func")

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, func: Callable[..., object], *args: Any) -> None:
        self.func = func
        self.args = args


# What ends or interrupts a task, in one model or another.
_KILLS = (
    ("asyncio", "CancelledError"),
    ("greenlet", "GreenletExit"),
    ("gevent", "Timeout"),
    ("eventlet", "Timeout"),
)


def _kills() -> Iterator[BaseException]:
    """Yield one of each, of the libraries that are there."""
    for library, name in _KILLS:
        kind = getattr(sys.modules.get(library), name, None)
        if kind is not None:
            yield kind()


class CallbackTests(Suite):
    """C7 to C9 of the contract."""

    # C7: one at a time, in order, on two workers.

    def test_c7_callbacks_run_in_the_order_of_dispatch(self, handler: Handler) -> None:
        """Also where each of them lets other tasks run."""
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
        """A callback that waits holds up the next one."""
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
        """Not in that of the links, and whether with a value or an exception."""
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
        """As callbacks do."""
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
        """A watch may wait for the result of a request."""
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
        """A completion may wait for a watch."""
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
        """The very same: by it a wrapper knows what it saw at the dispatch."""
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
        """Of the type ``completion``, with the result as its argument."""
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
        """Links run on the second worker, once it is free, wherever the result was set."""
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
        """Until the callback that runs has returned, whether that one dispatches it or a link."""
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
            handler.sleep_func(0.02)  # while the second could run
            ran.append("first")

        result.link(calling(dispatch))
        self.dispatch(handler, first)
        self.happens(done)
        assert ran == ["first", "second"]

    # C8: exceptions.

    @pytest.mark.parametrize("where", ["callback", "link", "link while stopped"])
    @pytest.mark.parametrize("kind", ["exception", "timeout", "no exception"])
    def test_c8_an_exception_is_logged_and_the_worker_goes_on(
        self, handler: Handler, caplog: pytest.LogCaptureFixture, kind: str, where: str
    ) -> None:
        """Once, with its traceback, by the logger ``handler_core``."""
        error: BaseException = {
            "exception": ValueError("as planned"),
            "timeout": handler.timeout_exception("as planned"),
            "no exception": _NoException("as planned"),
        }[kind]
        done = handler.event_object()

        def fail(*_: object) -> None:
            raise error

        if where == "link while stopped":
            handler.stop()
        with caplog.at_level(logging.ERROR, "handler_core"):
            if where == "callback":
                self.dispatch(handler, fail)
                self.dispatch(handler, done.set)
            else:
                result = handler.async_result()
                result.link(fail)
                result.link(calling(done.set))
                result.set()
            self.happens(done)
        records = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert [record.name for record in records] == ["handler_core"]
        info = records[0].exc_info
        assert info is not None
        assert info[1] is error
        assert info[2] is not None, "the traceback is not logged"
        raised_in = [frame.name for frame in traceback.extract_tb(info[2])]
        assert raised_in[-1:] == ["fail"], "the traceback does not tell where it was raised"

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c8_what_kills_tasks_ends_no_worker(
        self, handler: Handler, caplog: pytest.LogCaptureFixture, linked: bool
    ) -> None:
        """Nor what cancels them: raised by the callback itself, it is logged as all else is."""

        def fail(error: BaseException) -> None:
            raise error

        def is_logged(error: BaseException) -> bool:
            infos = [record.exc_info for record in caplog.records if record.name == "handler_core"]
            return any(info is not None and info[1] is error for info in infos)

        with caplog.at_level(logging.ERROR, "handler_core"):
            for error in _kills():
                self.queue(handler, linked, fail, error)
                self.until(handler, functools.partial(is_logged, error))
        done = handler.event_object()
        self.queue(handler, linked, done.set)
        self.happens(done)

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    @pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt"])
    def test_c8_a_worker_survives_what_ends_a_program(self, name: str, linked: bool) -> None:
        """It goes where the model sends it from any task, once, and the next callback runs."""
        printed = self.run_script(
            f"""
            import threading
            delivered, ran = [], []
            # Where threads send it.
            threading.excepthook = lambda args: delivered.append(args.exc_value)
            error = {name}("as planned")
            def fail(*args):
                raise error
            handler.start()
            result = handler.async_result()
            if {linked}:
                result.link(fail)
                result.set()
            else:
                handler.dispatch_callback(Callback("test", fail, ()))
            while not delivered:
                try:
                    handler.sleep_func(0.01)
                except {name} as caught:  # where green threads send it: to the main one
                    delivered.append(caught)
            result = handler.async_result()
            result.link(lambda result: ran.append("link"))
            result.set()
            handler.dispatch_callback(Callback("test", ran.append, ("callback",)))
            handler.stop()
            assert delivered == [error], delivered
            print(*sorted(ran))
            """
        )
        assert printed == "callback link\n"

    # C9: dispatch from anywhere.

    def test_c9_dispatch_from_any_os_thread(self, handler: Handler) -> None:
        """Nothing is lost, and the callbacks of one thread keep their order."""
        ran: list[tuple[int, int]] = []

        def work(thread: int) -> None:
            for number in range(250):
                self.dispatch(handler, ran.append, (thread, number))

        threads = [self.os_thread(work, thread) for thread in range(4)]
        for thread in threads:
            thread.result(handler)
        self.drained(handler)
        assert len(ran) == 1000
        for index in range(4):
            assert [number for thread, number in ran if thread == index] == list(range(250))

    def test_c9_dispatch_from_an_os_thread_wakes_an_idle_worker(self, handler: Handler) -> None:
        """Each time, whatever the worker was doing."""
        self.drained(handler)
        for _ in range(100):
            event = handler.event_object()
            self.os_thread(self.dispatch, handler, event.set).result(handler)
            self.happens(event)

    def test_c9_an_os_thread_wakes_an_idle_worker_at_once(self, handler: Handler) -> None:
        """In a tenth of a second, mostly; even a busy machine has an idle moment."""

        def lateness() -> float:
            ran = handler.event_object()
            times: list[float] = []

            def callback() -> None:
                times.append(time.monotonic())
                ran.set()

            def work() -> None:
                times.append(time.monotonic())
                self.dispatch(handler, callback)

            self.os_thread(work).result(handler)
            self.happens(ran)
            return times[1] - times[0]

        given_up = time.monotonic() + LIMIT
        while (late := sorted(lateness() for _ in range(9))[4]) > 0.1:
            assert time.monotonic() < given_up, f"woken {late:.3f} seconds late"

    def test_c9_dispatch_from_an_os_thread_while_stopped(self, idle: Handler) -> None:
        """It waits for the next start, as from any other task."""
        ran: list[str] = []
        self.os_thread(self.dispatch, idle, ran.append, "before start").result(idle)
        idle.start()
        self.drained(idle)
        idle.stop()
        assert ran == ["before start"]
        self.os_thread(self.dispatch, idle, ran.append, "after stop").result(idle)
        idle.start()
        idle.stop()
        assert ran == ["before start", "after stop"]

    def test_c9_dispatch_from_an_os_thread_in_the_drain(self, handler: Handler) -> None:
        """It waits for the next start then, too."""
        gate = handler.event_object()
        ran: list[str] = []
        self.dispatch(handler, gate.wait, LONG)
        stopper = handler.spawn(handler.stop)
        self.until(handler, lambda: not handler.running)
        self.os_thread(self.dispatch, handler, ran.append, "in the drain").result(handler)
        gate.set()
        self.ended(stopper)
        assert ran == []
        handler.start()
        handler.stop()
        assert ran == ["in the drain"]

    def test_c9_what_is_no_callback_is_refused(self, handler: Handler) -> None:
        """At once, and the handler stays usable."""
        for wrong in (None, "text", print, object(), SimpleNamespace(func=print)):
            with pytest.raises(TypeError):
                handler.dispatch_callback(wrong)  # type: ignore[arg-type]
        self.drained(handler)

    def test_c9_whatever_has_func_and_args_is_a_callback(self, handler: Handler) -> None:
        """Of what class it is does not matter: kazoo has one of its own."""
        ran: list[int] = []
        handler.dispatch_callback(SimpleNamespace(func=ran.append, args=(1,)))
        self.drained(handler)
        assert ran == [1]
