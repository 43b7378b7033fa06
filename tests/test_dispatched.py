"""What a wrapper remembers from dispatch to run."""

from __future__ import annotations

import gc
import os
import threading
import weakref

import pytest

from handler_core import Callback, Dispatched, get_handler


def callback() -> Callback:
    return Callback("test", int, ())


def test_each_callback_has_its_own_value() -> None:
    handler = get_handler("threading")
    dispatched: Dispatched[int] = Dispatched()
    callbacks = [callback() for _ in range(3)]  # equal, and not the same
    for number, each in enumerate(callbacks):
        dispatched.remember(handler, each, number)
    assert dispatched.count(handler) == 3
    assert [dispatched.take(handler, each) for each in reversed(callbacks)] == [2, 1, 0]
    assert dispatched.take(handler, callbacks[0]) is None
    assert dispatched.count(handler) == 0


def test_the_same_object_twice() -> None:
    handler = get_handler("threading")
    dispatched: Dispatched[int] = Dispatched()
    same = callback()
    for number in range(3):
        dispatched.remember(handler, same, number)
    dispatched.forget(handler, same)
    assert [dispatched.take(handler, same) for _ in range(3)] == [0, 1, None]


def test_handlers_are_apart_and_are_not_kept_alive() -> None:
    first, second = get_handler("threading"), get_handler("threading")
    dispatched: Dispatched[int] = Dispatched()
    same = callback()
    dispatched.remember(first, same, 1)
    dispatched.remember(second, same, 2)
    assert set(dispatched.handlers()) == {first, second}
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None
    assert dispatched.handlers() == [second]
    assert dispatched.take(second, same) == 2


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # the fork is the point
def test_a_forked_child_remembers_nothing() -> None:
    handler = get_handler("threading")
    dispatched: Dispatched[int] = Dispatched()
    same = callback()
    dispatched.remember(handler, same, 1)
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with dispatched._lock:
            held.set()
            go_on.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    pid = os.fork()  # while somebody has the lock
    if pid == 0:
        os._exit(0 if dispatched.count(handler) == 0 and not dispatched.handlers() else 1)
    go_on.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert dispatched.take(handler, same) == 1
