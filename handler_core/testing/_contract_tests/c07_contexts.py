"""C7: the context variables that a callback or link sees."""

from __future__ import annotations

import contextvars
import functools
from collections.abc import Callable, Generator
from typing import Any

import pytest

from handler_core import AsyncResult, Handler, hookimpl
from handler_core.lookup._apply_wrappers import bind_wrappers
from handler_core.testing._suite import Suite, calling

__all__ = ["ContextTests"]

_request: contextvars.ContextVar[str | None] = contextvars.ContextVar("_request", default=None)

_places = pytest.mark.parametrize("where", ["a task", "an OS thread"])
_kinds = pytest.mark.parametrize("linked", [False, True], ids=["callback", "link"])


class _Wrapper:
    """A wrapper that adds nothing."""

    @hookimpl(wrapper=True)
    def callback_object(self) -> Generator[None, Any, Any]:
        return (yield)

    @hookimpl(wrapper=True)
    def dispatch_callback(self) -> Generator[None, Any, Any]:
        return (yield)

    @hookimpl(wrapper=True)
    def run_callback(self) -> Generator[None, Any, Any]:
        return (yield)


class ContextTests(Suite):
    """C7: a callback or link never sees the context variables of another request.

    If the model keeps contexts, it sees its own request. Otherwise it sees none.
    """

    def serve(self, handler: Handler, where: str, name: str, func: Callable[[], object]) -> None:
        """Call ``func`` in a request of that name, in "a task" or in "an OS thread"."""

        def work() -> None:
            _request.set(name)
            func()

        self.run_in(where, handler, lambda: contextvars.Context().run(work))()

    def seen_in(self, handler: Handler, where: str, name: str, linked: bool) -> str | None:
        """Return the request that a callback or link sees which a request of that name queues."""
        seen: list[str | None] = []
        done = handler.event_object()

        def callback() -> None:
            seen.append(_request.get())
            done.set()

        self.serve(handler, where, name, lambda: self.queue(handler, linked, callback))
        self.happens(done)
        return seen[0]

    def expected(self, handler: Handler, name: str) -> str | None:
        return name if handler.keeps_context else None

    @_places
    @_kinds
    @pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "wrapped"])
    def test_c7_a_callback_sees_no_other_request(
        self, idle: Handler, wrapped: bool, linked: bool, where: str
    ) -> None:
        """Not even the first one, which starts the worker. A restart makes a new worker."""
        if wrapped and idle._run_callback is None:  # or the author has wrapped it
            bind_wrappers(idle, [_Wrapper()])
        for attempt in range(2):
            self.serve(idle, "a task", "starting", idle.start)
            for number in range(3):
                name = f"request {attempt}.{number}"
                assert self.seen_in(idle, where, name, linked) == self.expected(idle, name)
            idle.stop()

    @_places
    @pytest.mark.parametrize("state", ["running", "stopped"])
    @pytest.mark.parametrize("when", ["pending", "ready"])
    @pytest.mark.parametrize("plain", [False, True], ids=["callback_object", "AsyncResult"])
    def test_c7_a_link_does_not_see_the_request_that_sets(
        self, idle: Handler, plain: bool, when: str, state: str, where: str
    ) -> None:
        """On a stopped handler too, where the setter or the linking caller calls it."""
        if state == "running":
            idle.start()
        seen: list[str | None] = []
        done = idle.event_object()
        result = AsyncResult[Any](idle) if plain else idle.async_result()

        def look(_: Any) -> None:
            seen.append(_request.get())
            done.set()

        requests = [("linking", lambda: result.link(look)), ("setting", result.set)]
        for name, func in requests if when == "pending" else reversed(requests):
            self.serve(idle, where, name, func)
        self.happens(done)
        assert seen == [self.expected(idle, "linking")]

    def test_c7_links_of_one_result_do_not_see_each_others_requests(self, idle: Handler) -> None:
        """The setter of a stopped handler calls them one after the other."""
        seen: list[str | None] = []

        def change(_: Any) -> None:
            seen.append(_request.get())
            _request.set("changed")

        result = idle.async_result()
        for name in ("first", "second"):
            link = functools.partial(change)  # equal to no other
            self.serve(idle, "a task", name, functools.partial(result.link, link))
        self.serve(idle, "a task", "setting", result.set)
        assert seen == [self.expected(idle, name) for name in ("first", "second")]

    @_kinds
    def test_c7_what_a_callback_changes_stays_with_it(self, handler: Handler, linked: bool) -> None:
        """Whoever dispatched or linked it does not see that, nor do that one's other callbacks."""
        seen: list[str | None] = []
        done = handler.event_object()

        def change() -> None:
            seen.append(_request.get())
            _request.set("changed")
            done.set()

        def work() -> None:
            for _ in range(2):
                done.clear()
                self.queue(handler, linked, change)
                self.happens(done)
            assert _request.get() == "own"

        self.serve(handler, "a task", "own", work)
        # The variables of a worker are like those of a thread: the second callback may see them.
        assert seen == ["own", "own"] if handler.keeps_context else seen[0] is None

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
