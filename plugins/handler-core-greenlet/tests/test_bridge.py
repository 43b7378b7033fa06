"""Coroutines, call greenlets and waits of the bridge, on a loop that is not asyncio's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from handler_core_greenlet import CallGreenlet, PrivateLoop, TaskGreenlet, running_hub, sleep
from small_loop import SmallHandler, run_private_loop

from handler_core import Callback
from handler_core.testing import LIMIT


@pytest.fixture
def handler() -> Iterator[SmallHandler]:
    with SmallHandler() as handler:
        yield handler


def in_loop(handler: SmallHandler, func: Any) -> Any:
    """Have the loop itself call a function; return what it returns."""
    result = handler.async_result()

    def call() -> None:
        try:
            result.set(func())
        except BaseException as error:
            result.set_exception(error)

    hub = handler.current_hub(make=True)
    assert hub is not None
    hub.call_soon_threadsafe(call)
    return result.get(timeout=LIMIT)


def test_callbacks_that_are_coroutines(handler: SmallHandler) -> None:
    ran: list[str] = []

    async def callback() -> None:
        ran.append(threading.current_thread().name)

    async def link(result: Any) -> None:
        ran.append(result.value)

    handler.dispatch_callback(Callback("test", callback, ()))
    handler.stop()
    result = handler.async_result()
    result.link(link)
    result.set("there")
    assert ran == ["small loop", "there"]


def test_the_loop_itself_may_not_wait(handler: SmallHandler) -> None:
    for wait in (
        lambda: handler.async_result().get(),
        lambda: handler.sleep_func(0.001),
        lambda: handler.queue_impl().get(),
        lambda: handler.select([], [], [], 1),
    ):
        with pytest.raises(RuntimeError, match="would block the event loop"):
            in_loop(handler, wait)


def test_a_call_greenlet_is_one_greenlet(handler: SmallHandler) -> None:
    seen: list[Any] = []

    def look() -> str:
        seen.append(handler.current_task())
        assert isinstance(seen[-1], TaskGreenlet)
        sleep(0)
        return "looked"

    idle = threading.Event()

    def begin() -> CallGreenlet:
        hub = running_hub()
        assert hub is not None
        call_greenlet = CallGreenlet(hub)
        call_greenlet.on_idle = idle.set
        call_greenlet.begin(look, last=False)
        assert not call_greenlet.idle
        return call_greenlet

    call_greenlet = in_loop(handler, begin)
    assert idle.wait(LIMIT)
    assert call_greenlet.succeeded
    assert call_greenlet.outcome() == "looked"
    idle.clear()
    in_loop(handler, lambda: call_greenlet.begin(look, last=True))
    assert idle.wait(LIMIT)
    assert seen[0] is seen[1]
    handler.spawn(sleep, 0).join(LIMIT)
    assert seen[0].dead


def test_what_a_call_greenlet_raises_and_how_it_is_ended(handler: SmallHandler) -> None:
    idle = threading.Event()

    def begin(func: Any) -> CallGreenlet:
        hub = running_hub()
        assert hub is not None
        call_greenlet = CallGreenlet(hub)
        call_greenlet.on_idle = idle.set
        call_greenlet.begin(func, last=True)
        return call_greenlet

    call_greenlet = in_loop(handler, lambda: begin(lambda: 1 // 0))
    assert call_greenlet.idle
    assert not call_greenlet.succeeded
    with pytest.raises(ZeroDivisionError):
        call_greenlet.outcome()
    idle.clear()
    ended: list[bool] = []

    def wait() -> None:
        try:
            handler.event_object().wait()
        finally:
            ended.append(True)

    call_greenlet = in_loop(handler, lambda: begin(wait))
    assert not call_greenlet.idle
    call_greenlet.kill()
    assert idle.wait(LIMIT)
    assert ended == [True]


class TestPrivateLoop:
    def test_c4_a_loop_that_cannot_be_made(self) -> None:
        """The caller gets the error of the loop's thread, and the next one may have more luck."""
        attempts: list[int] = []

        def run(begun: Any) -> None:
            attempts.append(1)
            if len(attempts) == 1:
                raise OSError("too many open files, as planned")
            run_private_loop(begun)

        loop = PrivateLoop("test", run)
        with pytest.raises(OSError, match="as planned"):
            loop.hub()
        hub = loop.hub()
        assert hub.is_private
        assert loop.hub() is hub

    def test_a_loop_that_has_ended_is_made_anew(self) -> None:
        loop = PrivateLoop("test", run_private_loop)
        hub = loop.hub()
        hub.end()
        assert loop.hub() is not hub
