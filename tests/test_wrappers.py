from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pluggy
import pytest
from fake_plugins import Site
from handler_core_threading import SequentialThreadingHandler

from handler_core import (
    Callback,
    HandlerLoadError,
    HandlerNotFoundError,
    HandlerValidationError,
    get_handler,
    hookimpl,
)
from handler_core.lookup import _entry_points, _wrapped_hooks


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(_entry_points, "_scans", {})
    monkeypatch.delenv("HANDLER_CORE_WRAPPERS", raising=False)
    site.module(
        "some_wrappers",
        """
        from handler_core import hookimpl

        seen = []

        class Wrapper:
            @hookimpl(wrapper=True)
            def dispatch_callback(self, callback):
                seen.append(type(self).__name__)
                return (yield)

        class A(Wrapper): pass
        class A2(A): pass
        class B(Wrapper): pass
        class C(Wrapper): pass

        c = C()

        class NoWrapper:
            @hookimpl
            def dispatch_callback(self, callback): pass

        class Needy(Wrapper):
            def __init__(self, host): pass

        class Failing(Wrapper):
            def __init__(self): raise ValueError("as planned")

        class Leaving(Wrapper):
            def __init__(self): raise SystemExit("as planned")
        """,
    )
    site.distribution(
        "some-wrappers",
        wrappers={
            "a": "some_wrappers:A",
            "b": "some_wrappers:B",
            "c": "some_wrappers:c",
            "none": "some_wrappers:NoWrapper",
            "gone": "no_such_module:X",
            "needy": "some_wrappers:Needy",
            "failing": "some_wrappers:Failing",
            "leaving": "some_wrappers:Leaving",
        },
    )
    yield site
    site.forget()


class Recorder:
    """Notes each hook that it is around, and what it was called with."""

    def __init__(self, name: str = "r", log: list[Any] | None = None) -> None:
        self.name = name
        self.log: list[Any] = [] if log is None else log

    def names(self) -> list[str]:
        return [entry[1] for entry in self.log]

    @hookimpl(wrapper=True)
    def start(self, handler: Any) -> Any:
        self.log.append((self.name, "start", handler))
        return (yield)

    @hookimpl(wrapper=True)
    def stop(self, handler: Any) -> Any:
        self.log.append((self.name, "stop", handler))
        return (yield)

    @hookimpl(wrapper=True)
    def select(self, handler: Any, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        self.log.append((self.name, "select", rlist, wlist, xlist, timeout))
        return (yield)

    @hookimpl(wrapper=True)
    def callback_object(self, handler: Any) -> Any:
        self.log.append((self.name, "callback_object", handler))
        return (yield)

    @hookimpl(wrapper=True)
    def dispatch_callback(self, handler: Any, callback: Any) -> Any:
        self.log.append((self.name, "dispatch_callback", callback))
        return (yield)

    @hookimpl(wrapper=True)
    def run_callback(self, handler: Any, callback: Any) -> Any:
        self.log.append((self.name, "run_callback", callback))
        return (yield)


# What goes through a wrapper.


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


# Order.


def test_the_first_wrapper_is_outermost() -> None:
    log: list[Any] = []
    handler = get_handler("threading", wrappers=[Recorder(name, log) for name in "abc"])
    handler.start()
    assert [entry[0] for entry in log] == ["a", "b", "c"]
    handler.stop()


def test_those_of_the_environment_are_around_the_others(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANDLER_CORE_WRAPPERS", " b ,, a,")
    import some_wrappers  # type: ignore[import-not-found]

    handler = get_handler("threading", wrappers=["c"])
    handler.dispatch_callback(Callback("", int, ()))
    assert some_wrappers.seen == ["B", "A", "C"]


@pytest.mark.parametrize("value", ["", " ", ",", " , ,"])
def test_an_empty_variable_names_none(
    site: Site, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HANDLER_CORE_WRAPPERS", value)
    handler = get_handler("threading")
    assert handler.dispatch_callback.__func__ is SequentialThreadingHandler.dispatch_callback  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("variable", "wrappers", "called"),
    [
        ("a,a", "", "A"),
        ("a,b,a", "", "AB"),
        ("c,c", "", "C"),
        ("a", "a", "A"),
        ("b,a", "a", "BA"),
        ("", "a b a", "AB"),
        # Where the program has made it, or says how, it has its place there.
        ("a,b", "A", "BA"),
        ("a,b", "A()", "BA"),
        ("c,b", "c.", "BC"),
        ("a,b", "A2()", ["B", "A2"]),
        # Only what is named is taken for the same.
        ("", "A A", "AA"),
        ("", "A() A", "AA"),
        ("a", "A() A()", "AA"),
        ("a", "B", "AB"),
        ("c", "C", "CC"),
    ],
)
def test_what_is_asked_for_twice_is_there_once(
    site: Site, monkeypatch: pytest.MonkeyPatch, variable: str, wrappers: str, called: Sequence[str]
) -> None:
    import some_wrappers

    given = {
        "a": "a",
        "b": "b",
        "A": some_wrappers.A,
        "B": some_wrappers.B,
        "C": some_wrappers.C,
        "c.": some_wrappers.c,
        "A2()": some_wrappers.A2(),
    }
    monkeypatch.setenv("HANDLER_CORE_WRAPPERS", variable)
    handler = get_handler(
        "threading",
        wrappers=[some_wrappers.A() if each == "A()" else given[each] for each in wrappers.split()],
    )
    handler.dispatch_callback(Callback("", int, ()))
    assert some_wrappers.seen == list(called)


def test_objects_classes_and_names(site: Site) -> None:
    import some_wrappers

    handler = get_handler("threading", wrappers=["a", some_wrappers.B, some_wrappers.c])
    handler.dispatch_callback(Callback("", int, ()))
    assert some_wrappers.seen == ["A", "B", "C"]


def test_each_handler_has_its_own() -> None:
    recorder = Recorder()
    wrapped = get_handler("threading", wrappers=[recorder])
    get_handler("threading").start()
    assert recorder.log == []
    again = get_handler("threading", wrappers=(each for each in [recorder]))
    wrapped.start()
    again.start()
    assert [entry[2] for entry in recorder.log] == [wrapped, again]


# A hook that nobody wraps costs nothing.


def test_without_wrappers_no_plugin_manager_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANDLER_CORE_WRAPPERS", raising=False)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a plugin manager was built")

    monkeypatch.setattr(pluggy, "PluginManager", refuse)
    monkeypatch.setattr(_wrapped_hooks.pluggy, "PluginManager", refuse)
    with get_handler("threading") as handler:
        handler.dispatch_callback(Callback("", int, ()))
        handler.async_result().set(1)
        handler.select([], [], [], 0)
    with pytest.raises(AssertionError, match="was built"):
        get_handler("threading", wrappers=[Recorder()])


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


# What a wrapper may do.


def test_a_wrapper_may_change_a_result() -> None:
    class Changing:
        @hookimpl(wrapper=True)
        def select(self, rlist: Any) -> Any:
            readable, writable, exceptional = yield
            return [*readable, "more"], writable, exceptional

        @hookimpl(wrapper=True)
        def callback_object(self) -> Any:
            result = yield
            result.set("set by the wrapper")
            return result

    handler = get_handler("threading", wrappers=[Changing()])
    assert handler.select([], [], [], 0) == (["more"], [], [])
    assert handler.async_result().get_nowait() == "set by the wrapper"


def test_what_a_wrapper_raises_reaches_the_caller() -> None:
    class Failing:
        @hookimpl(wrapper=True)
        def select(self) -> Any:
            yield
            raise OSError("injected")

        @hookimpl(wrapper=True)
        def dispatch_callback(self) -> Any:
            raise OSError("before")
            yield

    with get_handler("threading", wrappers=[Failing()]) as handler:
        with pytest.raises(OSError, match="injected"):
            handler.select([], [], [], 0)
        with pytest.raises(OSError, match="injected"):
            handler.select([], 0)
        with pytest.raises(OSError, match="before"):
            handler.dispatch_callback(Callback("", int, ()))


def test_what_the_hook_raises_reaches_the_wrapper() -> None:
    caught: list[BaseException] = []

    class Catching:
        @hookimpl(wrapper=True)
        def select(self) -> Any:
            try:
                return (yield)
            except ValueError as error:
                caught.append(error)
                return [], [], []

    handler = get_handler("threading", wrappers=[Catching()])
    assert handler.select([-1], [], [], 0) == ([], [], [])
    assert len(caught) == 1


def test_a_run_callback_that_raises_is_logged_and_the_worker_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Failing:
        @hookimpl(wrapper=True)
        def run_callback(self, callback: Any) -> Any:
            yield
            raise OSError(f"after {callback.type}")

    ran: list[str] = []
    with caplog.at_level(logging.ERROR, "handler_core"):
        with get_handler("threading", wrappers=[Failing()]) as handler:
            handler.dispatch_callback(Callback("one", ran.append, ("one",)))
            handler.dispatch_callback(Callback("two", ran.append, ("two",)))
            result = handler.async_result()
            result.link(lambda done: ran.append("linked"))
            result.set(1)
        result.link(lambda done: ran.append("in the setter"))
    assert sorted(ran) == ["in the setter", "linked", "one", "two"]
    raised = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert sorted(raised) == sorted(
        ["after one", "after two", "after completion", "after completion"]
    )


def test_what_a_callback_raises_passes_through_the_wrapper_into_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[str] = []

    class Seeing:
        @hookimpl(wrapper=True)
        def run_callback(self) -> Any:
            try:
                return (yield)
            except ZeroDivisionError as error:
                seen.append(type(error).__name__)
                raise

    with get_handler("threading", wrappers=[Seeing()]) as handler:
        handler.dispatch_callback(Callback("", lambda: 1 / 0, ()))
    assert seen == ["ZeroDivisionError"]
    assert "ZeroDivisionError" in caplog.text


def test_a_wrapper_must_yield_once() -> None:
    """It is told when it is called."""

    class Yielding:
        def __init__(self, times: int) -> None:
            self.times = times

        @hookimpl(wrapper=True)
        def dispatch_callback(self) -> Any:
            for _ in range(self.times):
                yield

    ran: list[int] = []
    for times, said in ((0, "did not yield"), (2, "has second yield")):
        handler = get_handler("threading", wrappers=[Yielding(times)])
        with pytest.raises(RuntimeError, match=said):
            handler.dispatch_callback(Callback("", ran.append, (times,)))
        handler.start()
        handler.stop()
    # Without a yield the call was not made.
    assert ran == [2]


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


# Refused.


class _NoWrapper:
    @hookimpl
    def start(self) -> None: ...


class _OldWrapper:
    @hookimpl(hookwrapper=True)
    def start(self) -> Any:
        yield


class _Empty:
    def start(self) -> None: ...


class _NoGenerator:
    @hookimpl(wrapper=True)
    def start(self) -> None: ...


class _UnknownArgument:
    @hookimpl(wrapper=True)
    def dispatch_callback(self, calback: Any) -> Any:
        return (yield)


class _UnknownHook:
    @hookimpl(wrapper=True)
    def dispach_callback(self) -> Any:
        return (yield)


class _KeywordOnly:
    @hookimpl(wrapper=True)
    def select(self, *, timeout: Any) -> Any:
        return (yield)


class _Default:
    @hookimpl(wrapper=True)
    def select(self, timeout: Any = None) -> Any:
        return (yield)


class _AsyncGenerator:
    @hookimpl(wrapper=True)
    async def start(self) -> Any:
        yield


class _TryFirst:
    @hookimpl(wrapper=True, tryfirst=True)
    def start(self) -> Any:
        return (yield)


class _TryLast:
    @hookimpl(wrapper=True, trylast=True)
    def start(self) -> Any:
        return (yield)


class _Many:
    @hookimpl
    def start(self) -> None: ...

    @hookimpl(wrapper=True)
    def select(self, time: Any) -> Any:
        return (yield)


@pytest.mark.parametrize(
    ("wrapper", "said"),
    [
        (_NoWrapper(), "start is no wrapper"),
        (_NoWrapper, "start is no wrapper"),
        (_OldWrapper(), "start is no wrapper"),
        (_Empty(), "it has no hooks"),
        (None, "it has no hooks"),
        (3, "it has no hooks"),
        (_NoGenerator(), "it must yield once"),
        (_AsyncGenerator(), "it must yield once"),
        (_UnknownArgument(), "unknown arguments: calback"),
        (_UnknownHook(), "unknown hook dispach_callback: did you mean dispatch_callback"),
        (_KeywordOnly(), "timeout is keyword-only"),
        (_Default(), "timeout has a default"),
        (SequentialThreadingHandler(), "start is no wrapper"),
        (_TryFirst(), "start: a wrapper's place is that in the list: drop tryfirst"),
        (_TryLast(), "start: a wrapper's place is that in the list: drop tryfirst, trylast"),
    ],
)
def test_what_is_no_wrapper_is_refused(wrapper: object, said: str) -> None:
    with pytest.raises(HandlerValidationError, match=said):
        get_handler("threading", wrappers=[Recorder(), wrapper])


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(HandlerValidationError) as caught:
        get_handler("threading", wrappers=[_Many()])
    assert "start is no wrapper" in str(caught.value)
    assert "unknown arguments: time" in str(caught.value)


def test_one_wrapper_twice_is_refused() -> None:
    recorder = Recorder()
    with pytest.raises(HandlerValidationError, match="cannot wrap"):
        get_handler("threading", wrappers=[recorder, recorder])


def test_a_string_in_place_of_a_list_gets_a_hint(site: Site) -> None:
    with pytest.raises(TypeError, match=r"wrappers=\['a'\]"):
        get_handler("threading", wrappers="a")


@pytest.mark.parametrize("name", ["nosuch", "", "os:system", "../a", "threading"])
def test_an_unknown_name(site: Site, name: str) -> None:
    with pytest.raises(HandlerNotFoundError, match="no wrapper named") as caught:
        get_handler("threading", wrappers=[name])
    message = str(caught.value)
    assert repr(name) in message
    assert "installed: a, b, c, failing, gone, leaving, needy, none" in message
    assert "pip install" not in message
    assert "HANDLER_CORE_WRAPPERS" not in message


def test_an_unknown_name_in_the_variable_names_the_variable(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANDLER_CORE_WRAPPERS", "a,nosuch")
    with pytest.raises(HandlerNotFoundError, match=r"'nosuch'.*HANDLER_CORE_WRAPPERS"):
        get_handler("threading")


def test_a_named_one_that_is_none_names_its_distribution(site: Site) -> None:
    with pytest.raises(HandlerValidationError, match=r"some-wrappers 1\.0.*\n.*is no wrapper"):
        get_handler("threading", wrappers=["none"])


def test_a_named_one_that_cannot_be_imported(site: Site) -> None:
    with pytest.raises(HandlerLoadError, match=r"'gone'.*some-wrappers 1\.0.*no_such_module"):
        get_handler("threading", wrappers=["gone"])


def test_a_class_that_needs_arguments(site: Site) -> None:
    import some_wrappers

    with pytest.raises(HandlerValidationError, match=r"some-wrappers 1\.0.*arguments: host"):
        get_handler("threading", wrappers=["needy"])
    with pytest.raises(HandlerValidationError, match="arguments: host"):
        get_handler("threading", wrappers=[some_wrappers.Needy])


@pytest.mark.parametrize(("name", "kind"), [("failing", "ValueError"), ("leaving", "SystemExit")])
def test_a_class_that_cannot_be_made(
    site: Site, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    import some_wrappers

    said = rf"'{name}'.*some-wrappers 1\.0.*{name.title()} cannot be made: {kind}: as planned"
    with pytest.raises(HandlerLoadError, match=said) as caught:
        get_handler("threading", wrappers=[name])
    assert type(caught.value.__cause__).__name__ == kind
    with pytest.raises(HandlerLoadError, match=f"cannot be made: {kind}: as planned"):
        get_handler("threading", wrappers=[getattr(some_wrappers, name.title())])
    monkeypatch.setenv("HANDLER_CORE_WRAPPERS", name)
    with pytest.raises(HandlerLoadError, match=said):
        get_handler("threading")


def test_a_property_of_a_wrapper_is_left_alone() -> None:
    class WithProperties:
        @property
        def broken(self) -> object:
            raise AssertionError("read")

        @hookimpl(wrapper=True)
        def start(self) -> Any:
            return (yield)

    assert get_handler("threading", wrappers=[WithProperties()]).start() is None


@pytest.mark.parametrize("wrappers", [5, b"name", "name", None])
def test_wrappers_that_are_no_list(wrappers: Any) -> None:
    with pytest.raises(TypeError, match=r"write wrappers=\["):
        get_handler("threading", wrappers=wrappers)
