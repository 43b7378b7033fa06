"""C8: exceptions of callbacks and links."""

from __future__ import annotations

import functools
import logging
import sys
import traceback
from collections.abc import Iterator

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite, calling

__all__ = ["ExceptionTests"]


class _NoException(BaseException):
    """No ``Exception``, like the kill and timeout exceptions of green threads."""


# The exceptions that end or interrupt a task, in one model or another.
_KILLS = (
    ("asyncio", "CancelledError"),
    ("greenlet", "GreenletExit"),
    ("gevent", "Timeout"),
    ("eventlet", "Timeout"),
)


def _kills() -> Iterator[BaseException]:
    """Yield an exception of each kind whose library is imported."""
    for library, name in _KILLS:
        kind = getattr(sys.modules.get(library), name, None)
        if kind is not None:
            yield kind()


class ExceptionTests(Suite):
    """C8: exceptions of callbacks and links."""

    @pytest.mark.parametrize("where", ["callback", "link", "link while stopped"])
    @pytest.mark.parametrize("kind", ["exception", "timeout", "no exception"])
    def test_c8_an_exception_is_logged_and_the_worker_goes_on(
        self, handler: Handler, caplog: pytest.LogCaptureFixture, kind: str, where: str
    ) -> None:
        """The logger ``handler_core`` logs it once, with its traceback."""
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
        """If a callback raises an exception that kills or cancels tasks, the worker logs it."""

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
        """The exception goes once where the model sends that of a task. The next callback runs."""
        printed = self.run_script(
            f"""
            import threading
            delivered, ran = [], []
            # Threads send it here.
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
                except {name} as caught:  # green threads send it to the main one
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
