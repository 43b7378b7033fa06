"""A wrapper keeps a value for each callback from its dispatch to its run."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from typing import Any

import pytest
from handler_core_threading import SequentialThreadingHandler

from handler_core import Callback, Dispatched, Handler, get_handler, hookimpl
from handler_core.lookup._apply_wrappers import bind_wrappers
from lookup.fake_wrappers import Keeping, callback, run


class Refused:
    """An object that is no callback until ``func`` and ``args`` are set."""

    func: Any
    args: Any


def test_each_callback_has_its_own_value() -> None:
    keeping = Keeping()
    handler = get_handler("threading", wrappers=[keeping])
    callbacks = [callback() for _ in range(3)]  # equal, but different objects
    for each in callbacks:
        handler.dispatch_callback(each)
    assert keeping.dispatched.count(handler) == 3
    run(handler)
    assert keeping.numbers() == [1, 2, 3]
    assert all(ran is each for (ran, _), each in zip(keeping.ran, callbacks, strict=True))
    assert keeping.dispatched.count(handler) == 0


def test_a_value_can_be_taken_once_and_only_during_the_run() -> None:
    keeping = Keeping()
    handler = get_handler("threading", wrappers=[keeping])
    taken: list[int | None] = []
    same = Callback("test", lambda: taken.append(keeping.dispatched.take(handler, same)), ())
    handler.dispatch_callback(same)
    assert keeping.dispatched.take(handler, same) is None
    run(handler)
    assert keeping.numbers() == [1]
    assert taken == [None]
    assert keeping.dispatched.take(handler, same) is None


def test_the_same_object_twice() -> None:
    keeping = Keeping()
    handler = get_handler("threading", wrappers=[keeping])
    same = callback()
    for _ in range(3):
        handler.dispatch_callback(same)
    assert keeping.dispatched.count(handler) == 3
    run(handler)
    assert keeping.numbers() == [1, 2, 3]


def test_an_object_that_dispatches_itself() -> None:
    keeping = Keeping()
    handler = get_handler("threading", wrappers=[keeping])

    def again() -> None:
        if len(keeping.ran) < 3:
            handler.dispatch_callback(same)

    same = Callback("test", again, ())
    handler.dispatch_callback(same)
    for _ in range(3):
        run(handler)
    assert keeping.numbers() == [1, 2, 3]
    assert keeping.dispatched.count(handler) == 0


def test_a_linked_callback_has_none() -> None:
    keeping = Keeping()
    with get_handler("threading", wrappers=[keeping]) as handler:
        result = handler.async_result()
        result.link(lambda result: None)
        result.set()
    assert keeping.numbers() == [None]


def test_two_wrappers_have_their_own() -> None:
    outer, inner = Keeping(), Keeping()
    inner.next = 10
    with get_handler("threading", wrappers=[outer, inner]) as handler:
        handler.dispatch_callback(callback())
    assert (outer.numbers(), inner.numbers()) == ([1], [11])


def test_what_nobody_takes_is_forgotten() -> None:
    class NotTaking(Keeping):
        @hookimpl(wrapper=True)
        def run_callback(self) -> Any:
            return (yield)

    wrapper = NotTaking()
    handler = get_handler("threading", wrappers=[wrapper])
    handler.dispatch_callback(same := callback())
    run(handler)
    assert wrapper.dispatched.count(handler) == 0
    assert wrapper.dispatched.take(handler, same) is None


def test_an_outer_wrapper_that_raises_before_the_run() -> None:
    class Faults:
        failing = True

        @hookimpl(wrapper=True)
        def run_callback(self) -> Any:
            if self.failing:
                raise ConnectionResetError("injected")
            return (yield)

    faults, keeping = Faults(), Keeping()
    handler = get_handler("threading", wrappers=[faults, keeping])
    for _ in range(5):
        handler.dispatch_callback(callback())
    run(handler)
    assert keeping.ran == []
    assert keeping.dispatched.count(handler) == 0
    faults.failing = False
    for _ in range(20):
        handler.dispatch_callback(callback())
        run(handler)
    assert keeping.numbers() == list(range(6, 26))


def test_a_refused_one_is_forgotten() -> None:
    keeping = Keeping()
    handler = get_handler("threading", wrappers=[keeping])
    refused = Refused()
    with pytest.raises(TypeError, match="func"):
        handler.dispatch_callback(refused)
    assert keeping.dispatched.count(handler) == 0
    refused.func, refused.args = int, ()
    handler.dispatch_callback(refused)
    run(handler)
    assert keeping.numbers() == [2]


def test_one_of_several_dispatches_of_an_object_that_is_refused() -> None:
    """The value of that dispatch is dropped, and not another one."""
    keeping = Keeping()
    handler = get_handler("threading", wrappers=[keeping])
    same = Refused()
    same.func, same.args = int, ()
    handler.dispatch_callback(same)
    del same.func
    with pytest.raises(TypeError, match="func"):
        handler.dispatch_callback(same)
    same.func = int
    handler.dispatch_callback(same)
    run(handler)
    assert keeping.numbers() == [1, 3]


def test_an_inner_wrapper_that_swallows_a_refusal() -> None:
    """The value stays with its object, and other objects get their own values."""

    class Forgiving:
        @hookimpl(wrapper=True)
        def dispatch_callback(self) -> Any:
            try:
                return (yield)
            except TypeError:
                return None

    keeping = Keeping()
    handler = get_handler("threading", wrappers=[keeping, Forgiving()])
    refused = Refused()
    alive = weakref.ref(refused)
    handler.dispatch_callback(refused)
    del refused
    assert alive() is not None  # another object could have its id otherwise
    for _ in range(20):
        handler.dispatch_callback(callback())
        run(handler)
    assert keeping.numbers() == list(range(2, 22))
    assert keeping.dispatched.count(handler) == 1
    refused = alive()  # type: ignore[assignment]
    refused.func, refused.args = int, ()
    handler.dispatch_callback(refused)
    run(handler)
    assert keeping.numbers()[-1] == 1


def test_a_handler_that_queues_other_objects() -> None:
    """Such a handler breaks the contract. No callback gets a value."""

    class Guarding(SequentialThreadingHandler):
        @hookimpl
        def dispatch_callback(self, callback: Any) -> None:
            super().dispatch_callback(Callback("test", callback.func, callback.args))

    keeping, handler = Keeping(), Guarding()
    bind_wrappers(handler, [keeping])
    for _ in range(100):
        handler.dispatch_callback(callback())
        run(handler)
    assert keeping.numbers() == [None] * 100


def test_handlers_are_apart_and_are_not_kept_alive() -> None:
    keeping = Keeping()
    first = get_handler("threading", wrappers=[keeping])
    second = get_handler("threading", wrappers=[keeping])
    same = callback()
    first.dispatch_callback(same)
    second.dispatch_callback(same)
    assert set(keeping.dispatched.handlers()) == {first, second}
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None
    assert keeping.dispatched.handlers() == [second]
    run(second)
    assert keeping.numbers() == [2]


def test_what_refers_to_its_handler_is_collected_with_it() -> None:
    dispatched: Dispatched[Any] = Dispatched()
    handler = get_handler("threading")
    with dispatched.remember(handler, Callback("test", handler.stop, ()), handler):
        pass
    gone = weakref.ref(handler)
    del handler
    gc.collect()
    assert gone() is None
    assert dispatched.handlers() == []


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # the fork is the point
def test_a_forked_child_remembers_nothing() -> None:
    keeping = Keeping()
    handler = get_handler("threading", wrappers=[keeping])
    handler.dispatch_callback(callback())
    held, forked = threading.Event(), threading.Event()

    def hold() -> None:
        with handler._lock:
            held.set()
            forked.wait(0.2)  # the fork waits for this, or the child has a lock that stays taken

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    pid = os.fork()  # while the other thread holds the lock
    if pid == 0:
        status = 1
        try:
            assert keeping.dispatched.count(handler) == 0
            assert not keeping.dispatched.handlers()
            handler.dispatch_callback(callback())
            assert keeping.dispatched.count(handler) == 1
            assert keeping.dispatched.handlers() == [handler]
            run(handler)
            assert keeping.numbers() == [2]
            status = 0
        finally:
            os._exit(status)
    forked.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert keeping.dispatched.count(handler) == 1
    run(handler)
    assert keeping.numbers() == [1]


def test_where_nobody_wraps_the_run_it_is_forgotten_too() -> None:
    class Dispatches:
        def __init__(self) -> None:
            self.dispatched: Dispatched[None] = Dispatched()

        @hookimpl(wrapper=True)
        def dispatch_callback(self, handler: Handler, callback: Any) -> Any:
            with self.dispatched.remember(handler, callback, None):
                return (yield)

    wrapper = Dispatches()
    handler = get_handler("threading", wrappers=[wrapper])
    ran: list[int] = []
    for number in range(10):
        handler.dispatch_callback(Callback("test", ran.append, (number,)))
    assert wrapper.dispatched.count(handler) == 10
    with handler:
        pass
    assert ran == list(range(10))
    assert wrapper.dispatched.count(handler) == 0
