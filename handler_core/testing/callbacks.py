"""C7 to C9: running callbacks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from handler_core import Callback, Handler, hookimpl
from handler_core.binding import bind_wrappers
from handler_core.testing.suite import LONG, Suite, calling

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
        """Not in that of the links."""
        ran: list[int] = []
        done = handler.event_object()
        results = [handler.async_result() for _ in range(200)]
        for number, result in enumerate(results):
            result.link(calling(ran.append, number))
        results[0].link(calling(done.set))
        for result in reversed(results):
            result.set()
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

    # C8: exceptions.

    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    @pytest.mark.parametrize("kind", ["exception", "timeout", "no exception"])
    def test_c8_an_exception_is_logged_and_the_worker_goes_on(
        self, handler: Handler, caplog: pytest.LogCaptureFixture, kind: str, linked: bool
    ) -> None:
        """With its traceback, by the logger ``handler_core``."""
        error: BaseException = {
            "exception": ValueError("as planned"),
            "timeout": handler.timeout_exception("as planned"),
            "no exception": _NoException("as planned"),
        }[kind]
        done = handler.event_object()

        def fail(*_: object) -> None:
            raise error

        with caplog.at_level(logging.ERROR, "handler_core"):
            if linked:
                result = handler.async_result()
                result.link(fail)
                result.link(calling(done.set))
                result.set()
            else:
                self.dispatch(handler, fail)
                self.dispatch(handler, done.set)
            self.happens(done)
        records = [record for record in caplog.records if record.name == "handler_core"]
        assert len(records) == 1
        info = records[0].exc_info
        assert info is not None
        assert info[1] is error
        assert info[2] is not None, "the traceback is not logged"

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

    def test_c9_what_is_no_callback_is_refused(self, handler: Handler) -> None:
        """At once, and the handler stays usable."""
        for wrong in (None, "text", print, object()):
            with pytest.raises(TypeError, match="func"):
                handler.dispatch_callback(wrong)  # type: ignore[arg-type]
        self.drained(handler)
