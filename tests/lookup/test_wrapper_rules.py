"""The rules for a wrapper. An object that breaks one is refused."""

from __future__ import annotations

from typing import Any

import pytest
from handler_core_threading import SequentialThreadingHandler

from handler_core import HandlerValidationError, get_handler, hookimpl
from lookup.fake_wrappers import Recorder


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
