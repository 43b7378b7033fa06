"""Every call of a wrapped hook goes through its wrappers. Other hooks cost nothing more."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pluggy
import pytest
from handler_core_threading import SequentialThreadingHandler

from handler_core import Callback, Handler, get_handler, hookimpl
from lookup.fake_wrappers import Recorder


def test_every_hook_is_wrapped() -> None:
    recorder = Recorder()
    handler = get_handler("threading", wrappers=[recorder])
    assert recorder.log == []
    handler.start()
    callback = Callback("mine", int, ())
    assert handler.dispatch_callback(callback) is None
    result = handler.callback_object()
    left, right = socket.socketpair()
    with left, right:
        assert handler.select([], [left], [], 0) == ([], [left], [])
    assert handler.stop() is None
    assert result._handler is handler
    assert sorted(recorder.names()) == sorted(
        ["start", "dispatch_callback", "run_callback", "callback_object", "select", "stop"]
    )
    assert ("r", "start", handler) in recorder.log
    assert ("r", "dispatch_callback", callback) in recorder.log
    assert ("r", "run_callback", callback) in recorder.log
    assert ("r", "select", [], [left], [], 0) in recorder.log


def test_the_caller_never_gets_a_list() -> None:
    handler = get_handler("threading", wrappers=[Recorder()])
    assert handler.start() is None
    assert handler.dispatch_callback(Callback("mine", int, ())) is None
    assert type(handler.select([], [], [], 0)) is tuple
    assert isinstance(handler.async_result(), type(get_handler("threading").async_result()))
    assert handler.stop() is None


def test_async_result_is_wrapped_where_callback_object_is() -> None:
    recorder = Recorder()
    handler = get_handler("threading", wrappers=[recorder])
    handler.async_result()
    handler.callback_object()
    assert recorder.names() == ["callback_object", "callback_object"]


def test_the_with_statement_goes_through_the_hooks() -> None:
    recorder = Recorder()
    with get_handler("threading", wrappers=[recorder]) as handler:
        assert handler.running
    assert recorder.names() == ["start", "stop"]
    assert not handler.running


def test_both_forms_of_select() -> None:
    recorder = Recorder()
    handler = get_handler("threading", wrappers=[recorder])
    left, right = socket.socketpair()
    with left, right:
        right.send(b"x")
        assert handler.select([left], [left], [left], 5) == ([left], [left], [])
        assert handler.select([left], [], [], timeout=5) == ([left], [], [])
        assert handler.select([left], [], []) == ([left], [], [])
        assert recorder.names() == ["select"] * 3
        assert recorder.log[-1][-1] is None
        assert handler.select([left], 5) == ([left], [left], [])
        assert handler.select(sockets=[left], timeout=5) == ([left], [left], [])
        with pytest.raises(ValueError, match="non-negative"):
            handler.select([left], [], [], -1)
        for wrong in ((), ([left],), ([], []), ([], [], [], 1, 1)):
            with pytest.raises(TypeError):
                handler.select(*wrong)


@pytest.mark.parametrize("args", [(), (1, 2)])
def test_a_wrapped_hook_takes_the_arguments_of_the_plain_one(args: tuple[Any, ...]) -> None:
    handler = get_handler("threading", wrappers=[Recorder()])
    with pytest.raises(TypeError, match="dispatch_callback"):
        handler.dispatch_callback(*args)
    with pytest.raises(TypeError):
        handler.dispatch_callback(Callback("", int, ()), callback=Callback("", int, ()))  # type: ignore[misc]
    with pytest.raises(TypeError):
        handler.dispatch_callback(cb=Callback("", int, ()))  # type: ignore[call-arg]
    handler.dispatch_callback(callback=Callback("", int, ()))


@pytest.mark.parametrize("running", [True, False])
def test_run_callback_is_around_links_too(running: bool) -> None:
    recorder = Recorder()
    handler = get_handler("threading", wrappers=[recorder])
    if running:
        handler.start()
    called: list[Any] = []
    before, after = called.append, lambda done: called.append(done)
    result = handler.async_result()
    result.link(before)
    result.set(1)
    result.link(after)
    handler.stop()
    assert called == [result, result]
    runs = [entry[2] for entry in recorder.log if entry[1] == "run_callback"]
    assert runs == [
        Callback("completion", before, (result,)),
        Callback("completion", after, (result,)),
    ]


def test_run_callback_is_not_around_timers() -> None:
    recorder = Recorder("r")
    with get_handler("threading", wrappers=[recorder]) as handler:
        called = handler.event_object()
        handler.call_later(0, called.set)
        assert called.wait(30)
    assert "run_callback" not in recorder.names()


def test_the_first_wrapper_is_outermost() -> None:
    log: list[Any] = []
    handler = get_handler("threading", wrappers=[Recorder(name, log) for name in "abc"])
    handler.start()
    assert [entry[0] for entry in log] == ["a", "b", "c"]
    handler.stop()


def test_each_handler_has_its_own() -> None:
    recorder = Recorder()
    wrapped = get_handler("threading", wrappers=[recorder])
    get_handler("threading").start()
    assert recorder.log == []
    again = get_handler("threading", wrappers=(each for each in [recorder]))
    wrapped.start()
    again.start()
    assert [entry[2] for entry in recorder.log] == [wrapped, again]


def test_without_wrappers_no_plugin_manager_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANDLER_CORE_WRAPPERS", raising=False)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a plugin manager was built")

    monkeypatch.setattr(pluggy.PluginManager, "__init__", refuse)
    with get_handler("threading") as handler:
        handler.dispatch_callback(Callback("", int, ()))
        handler.async_result().set(1)
        handler.select([], [], [], 0)
    with pytest.raises(AssertionError, match="was built"):
        get_handler("threading", wrappers=[Recorder()])


def test_a_hook_may_have_any_name_of_its_own() -> None:
    ran: list[str] = []

    class Callable:
        @hookimpl(wrapper=True, specname="start")
        def __call__(self) -> Any:
            ran.append("called")
            return (yield)

    class AHandlerToo(Handler):
        @hookimpl(wrapper=True, specname="stop")
        def around(self) -> Any:
            ran.append("stopped")
            return (yield)

    with get_handler("threading", wrappers=[Callable(), AHandlerToo()]):
        assert ran == ["called"]
    assert ran == ["called", "stopped"]


def test_a_hook_that_is_not_wrapped_stays_the_plain_method() -> None:
    class OnlyStart:
        @hookimpl(wrapper=True)
        def start(self) -> Any:
            return (yield)

    plain = get_handler("threading")
    wrapped = get_handler("threading", wrappers=[OnlyStart()])
    for handler in (plain, wrapped):
        for name in ("stop", "select", "callback_object", "async_result", "dispatch_callback"):
            assert name not in vars(handler)
            assert getattr(handler, name).__func__ is getattr(SequentialThreadingHandler, name)
        assert handler._run_callback is None
    assert "start" not in vars(plain)
    assert "start" in vars(wrapped)


def test_wrapped_handlers_from_many_threads() -> None:
    recorder = Recorder()
    ran: list[int] = []
    with get_handler("threading", wrappers=[recorder]) as handler:

        def dispatch() -> None:
            for number in range(100):
                handler.dispatch_callback(Callback("", ran.append, (number,)))

        threads = [threading.Thread(target=dispatch) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(ran) == sorted([*range(100)] * 4)
    assert recorder.names().count("run_callback") == 400
