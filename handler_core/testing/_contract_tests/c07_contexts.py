"""C7: the context variables that a callback or link sees."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite, calling

__all__ = ["ContextTests"]

_request: contextvars.ContextVar[str | None] = contextvars.ContextVar("_request", default=None)


class ContextTests(Suite):
    """C7: a callback or link never sees the context variables of another request."""

    def serve(self, handler: Handler, where: str, name: str, func: Callable[[], object]) -> None:
        """Call ``func`` in a request of that name, in "a task" or in "an OS thread"."""

        def work() -> None:
            _request.set(name)
            func()

        self.run_in(where, handler, lambda: contextvars.Context().run(work))()

    @pytest.mark.parametrize("where", ["a task", "an OS thread"])
    @pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])
    def test_c7_a_callback_sees_no_other_request(
        self, handler: Handler, linked: bool, where: str
    ) -> None:
        """Not even the first one, whose dispatch starts the worker."""
        seen: dict[str, str | None] = {}
        for name in ("first", "second", "third"):
            done = handler.event_object()

            def callback(name: str = name, done: Any = done) -> None:
                seen[name] = _request.get()
                done.set()

            def queue(callback: Callable[[], object] = callback) -> None:
                self.queue(handler, linked, callback)

            self.serve(handler, where, name, queue)
            self.happens(done)
        for name, request in seen.items():
            assert request in (name, None), f"the callback of the {name} request sees the {request}"

    @pytest.mark.parametrize("where", ["a task", "an OS thread"])
    @pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
    def test_c7_a_link_does_not_see_the_request_that_sets(
        self, idle: Handler, running: bool, where: str
    ) -> None:
        """This holds on a stopped handler too, where the setter itself calls the link."""
        if running:
            idle.start()
        seen: list[str | None] = []
        done = idle.event_object()
        result = idle.async_result()

        def look(_: Any) -> None:
            seen.append(_request.get())
            done.set()

        self.serve(idle, where, "linking", lambda: result.link(look))
        self.serve(idle, where, "setting", result.set)
        self.happens(done)
        assert seen[0] in ("linking", None), f"the link sees the {seen[0]} request"

    def test_c7_what_a_callback_changes_stays_with_it(self, handler: Handler) -> None:
        """The variables of whoever dispatched or linked it are as before."""
        seen: list[str | None] = []
        done = handler.event_object()

        def change() -> None:
            _request.set("callback")
            done.set()

        def work() -> None:
            for linked in (False, True):
                done.clear()
                self.queue(handler, linked, change)
                self.happens(done)
                seen.append(_request.get())

        self.serve(handler, "a task", "own", work)
        assert seen == ["own", "own"]

    def test_c7_a_link_is_known_again(self, idle: Handler) -> None:
        """One that is linked in two requests counts once, and a third can take it back."""
        ran: list[str] = []
        link = calling(ran.append, "link")
        result, unlinked = idle.async_result(), idle.async_result()
        for each in (result, unlinked):
            for name in ("first", "second"):
                self.serve(idle, "a task", name, functools.partial(each.link, link))
        self.serve(idle, "a task", "third", lambda: unlinked.unlink(link))
        result.set()
        unlinked.set()
        assert ran == ["link"]
