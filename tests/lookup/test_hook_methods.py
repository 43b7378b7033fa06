"""A call of a hook runs the class's own method, an inherited one, or a wrapped one."""

from __future__ import annotations

import inspect
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from fake_plugins import MARKED_DISPATCH, Site, changed
from handler_core_threading import SequentialThreadingHandler

from handler_core import (
    AsyncResult,
    Callback,
    Handler,
    get_handler,
    hookimpl,
    inherit_hook,
    poll_select,
)
from handler_core.handler._hook_methods import marker_of
from handler_core.lookup import _find_wrappers, _validation

INHERITED_DISPATCH = (
    "from handler_core import inherit_hook\n"
    "        dispatch_callback = inherit_hook(Handler.dispatch_callback)"
)


class Terse(Handler):
    name = "terse"
    calls: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.calls = []

    @hookimpl
    def start(self) -> None:
        self.calls.append("start")
        super().start()

    @hookimpl
    def stop(self) -> None:
        self.calls.append("stop")
        super().stop()

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        self.calls.append("select")
        return poll_select(rlist, wlist, xlist, timeout)

    @hookimpl
    def callback_object(self) -> Any:
        self.calls.append("callback_object")
        return AsyncResult(self)

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        self.calls.append("dispatch_callback")
        super().dispatch_callback(callback)

    def spawn(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> Any:
        thread = threading.Thread(target=func, args=args, kwargs=kwargs, daemon=True)
        thread.start()
        return thread


class Wordy(Terse):
    name = "wordy"

    @hookimpl
    def start(self, handler: Any) -> None:
        assert handler is self
        super().start()

    @hookimpl
    def stop(self, handler: Any) -> None:
        assert handler is self
        super().stop()

    @hookimpl
    def select(self, handler: Any, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        assert handler is self
        return super().select(rlist, wlist, xlist, timeout)

    @hookimpl
    def callback_object(self, handler: Any) -> Any:
        assert handler is self
        return super().callback_object()

    @hookimpl
    def dispatch_callback(self, handler: Any, callback: Any) -> None:
        assert handler is self
        super().dispatch_callback(callback)


class Silent:
    """A wrapper of every hook that changes nothing."""

    @hookimpl(wrapper=True)
    def start(self) -> Any:
        return (yield)

    @hookimpl(wrapper=True)
    def stop(self) -> Any:
        return (yield)

    @hookimpl(wrapper=True)
    def select(self) -> Any:
        return (yield)

    @hookimpl(wrapper=True)
    def callback_object(self) -> Any:
        return (yield)

    @hookimpl(wrapper=True)
    def dispatch_callback(self) -> Any:
        return (yield)

    @hookimpl(wrapper=True)
    def run_callback(self) -> Any:
        return (yield)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("cls", [Terse, Wordy])
def test_a_valid_class(cls: type[Terse], wrapped: bool) -> None:
    assert _validation.check_handler_class(cls, "test") is cls
    handler = cls()
    if wrapped:
        _find_wrappers.add_wrappers(handler, [Silent()])
    ran: list[object] = []
    left, right = socket.socketpair()
    with left, right, handler:
        handler.dispatch_callback(Callback("test", ran.append, (1,)))
        handler.dispatch_callback(callback=Callback("test", ran.append, (2,)))
        for result in (handler.callback_object(), handler.async_result()):
            assert result._handler is handler
            result.link(ran.append)
            result.set(result)
        right.send(b"x")
        assert handler.select([left], [right], [left], 10) == ([left], [right], [])
        assert handler.select(rlist=[left], wlist=[], xlist=[], timeout=0) == ([left], [], [])
        assert handler.select([left], [], []) == ([left], [], [])
        assert handler.select([left], 10) == ([left], [left], [])
        assert handler.select(sockets=[left], timeout=10) == ([left], [left], [])
        for wrong in ((), ([left],), ([left], []), ([left], [], [], 1, 2), ([left], "1")):
            with pytest.raises(TypeError):
                handler.select(*wrong)
        with pytest.raises(TypeError):
            handler.dispatch_callback()  # type: ignore[call-arg]
        with pytest.raises(TypeError):
            handler.start(1, 2)  # type: ignore[call-arg]
    assert len(ran) == 4
    assert set(handler.calls) == {
        "start",
        "stop",
        "select",
        "callback_object",
        "dispatch_callback",
    }
    assert handler.calls.count("start") == 1
    assert handler.calls.count("callback_object") == 2


def test_an_inherited_hook_is_a_marked_copy_of_the_base_class_s_method(site: Site) -> None:
    site.plugin("faulty", changed(MARKED_DISPATCH, INHERITED_DISPATCH))
    ran = threading.Event()

    with get_handler("faulty") as handler:
        handler.dispatch_callback(Callback("inherited", ran.set, ()))
        assert ran.wait(10)

    assert marker_of(type(handler).dispatch_callback) is not None
    assert marker_of(Handler.dispatch_callback) is None
    assert type(handler).dispatch_callback.__doc__ == Handler.dispatch_callback.__doc__
    assert inspect.unwrap(type(handler).dispatch_callback) is type(handler).dispatch_callback


def test_a_hook_of_a_plugin_can_be_inherited_too() -> None:
    class Inheriting(SequentialThreadingHandler):
        select = inherit_hook(SequentialThreadingHandler.select)
        callback_object = inherit_hook(SequentialThreadingHandler.callback_object)

    handler = Inheriting()
    left, right = socket.socketpair()
    with left, right:
        right.send(b"x")
        assert handler.select([left], [], [], 10) == ([left], [], [])
        assert handler.select([left], 10) == ([left], [left], [])
    assert handler.async_result().ready() is False


def test_a_wrapper_is_around_an_inherited_hook_once(site: Site) -> None:
    site.plugin("faulty", changed(MARKED_DISPATCH, INHERITED_DISPATCH))
    seen: list[Any] = []

    class Wrapper:
        @hookimpl(wrapper=True)
        def dispatch_callback(self, callback: Any) -> Any:
            seen.append(callback.type)
            return (yield)

    handler = get_handler("faulty", wrappers=[Wrapper()])
    handler.dispatch_callback(Callback("once", print, ()))
    assert seen == ["once"]
