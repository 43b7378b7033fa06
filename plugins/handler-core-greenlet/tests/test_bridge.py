"""What the bridge says of coroutines and of queues, on a loop that is not asyncio's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from handler_core_greenlet import Strand, TaskGreenlet, running_hub, sleep
from small_loop import SmallHandler

from handler_core import Callback
from handler_core.testing.suite import LIMIT


@pytest.fixture
def handler() -> Iterator[SmallHandler]:
    with SmallHandler() as handler:
        yield handler


def in_loop(handler: SmallHandler, func: Any) -> Any:
    """Return what a function returns that the loop itself calls."""
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


def test_a_strand_is_one_greenlet(handler: SmallHandler) -> None:
    seen: list[Any] = []

    def look() -> str:
        seen.append(handler.current_task())
        assert isinstance(seen[-1], TaskGreenlet)
        sleep(0)
        return "looked"

    idle = threading.Event()

    def begin() -> Strand:
        hub = running_hub()
        assert hub is not None
        strand = Strand(hub)
        strand.on_idle = idle.set
        strand.begin(look, last=False)
        assert not strand.idle
        return strand

    strand = in_loop(handler, begin)
    assert idle.wait(LIMIT)
    assert strand.succeeded
    assert strand.outcome() == "looked"
    idle.clear()
    in_loop(handler, lambda: strand.begin(look, last=True))
    assert idle.wait(LIMIT)
    assert seen[0] is seen[1]
    handler.spawn(sleep, 0).join(LIMIT)
    assert seen[0].dead


def test_what_a_strand_raises_and_how_it_is_ended(handler: SmallHandler) -> None:
    idle = threading.Event()

    def begin(func: Any) -> Strand:
        hub = running_hub()
        assert hub is not None
        strand = Strand(hub)
        strand.on_idle = idle.set
        strand.begin(func, last=True)
        return strand

    strand = in_loop(handler, lambda: begin(lambda: 1 // 0))
    assert strand.idle
    assert not strand.succeeded
    with pytest.raises(ZeroDivisionError):
        strand.outcome()
    idle.clear()
    ended: list[bool] = []

    def wait() -> None:
        try:
            handler.event_object().wait()
        finally:
            ended.append(True)

    strand = in_loop(handler, lambda: begin(wait))
    assert not strand.idle
    strand.kill()
    assert idle.wait(LIMIT)
    assert ended == [True]
