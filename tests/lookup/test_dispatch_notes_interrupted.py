"""Ctrl-C, a signal handler or a finalizer at each instruction of a dispatch that takes notes."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
from interrupting import at_each_instruction

from handler_core import Dispatched, get_handler
from handler_core.lookup._dispatch_notes import Notes
from lookup.fake_wrappers import Keeping, callback, run


@pytest.mark.parametrize(
    "function",
    # The functions that take no lock. Python runs no signal handler inside the steps of a `with`.
    [Keeping.dispatch_callback, Dispatched.remember, Dispatched._notes_of],
    ids=lambda function: function.__qualname__,
)
def test_ctrl_c_at_each_instruction_of_a_dispatch(function: Any) -> None:
    keeping = Keeping()
    handler: Any = None

    def setup() -> tuple[Callable[[], Any], Callable[[], Any]]:
        nonlocal keeping, handler
        keeping = Keeping()
        handler = get_handler("threading", wrappers=[keeping])

        def interrupt() -> None:
            raise KeyboardInterrupt

        def body() -> None:
            try:
                handler.dispatch_callback(callback())
            except KeyboardInterrupt:
                keeping.next = 100

        return body, interrupt

    for _ in at_each_instruction(function, setup):
        assert keeping.next == 100, "it was not interrupted"
        gc.collect()
        # The interruption came before the callback was queued, or after it.
        run(handler)
        assert keeping.numbers() in ([], [None], [1])
        assert keeping.dispatched.count(handler) == 0
        for _ in range(3):
            handler.dispatch_callback(callback())
            run(handler)
        assert keeping.numbers()[-3:] == [101, 102, 103]


@pytest.mark.parametrize("known", [False, True], ids=["a new handler", "one that was used"])
@pytest.mark.parametrize("same", [False, True], ids=["another object", "the same object"])
@pytest.mark.parametrize(
    "function",
    [Dispatched.remember, Dispatched._notes_of, Notes.add],
    ids=lambda function: function.__qualname__,
)
def test_a_dispatch_in_the_midst_of_a_dispatch(function: Any, same: bool, known: bool) -> None:
    keeping = Keeping()
    handler: Any = None

    def setup() -> tuple[Callable[[], Any], Callable[[], Any]]:
        nonlocal keeping, handler
        keeping = Keeping()
        handler = get_handler("threading", wrappers=[keeping])
        one = callback()
        if known:
            handler.dispatch_callback(one)
        other = one if same else callback()
        return lambda: handler.dispatch_callback(one), lambda: handler.dispatch_callback(other)

    for _ in at_each_instruction(function, setup):
        assert keeping.dispatched.count(handler) == 2 + known
        assert keeping.dispatched.handlers() == [handler]
        run(handler)
        assert sorted(number or 0 for number in keeping.numbers()) == [1, 2, 3][: 2 + known]
        assert keeping.dispatched.count(handler) == 0


@pytest.mark.parametrize("refused", [False, True], ids=["a dispatch", "a refused one"])
@pytest.mark.parametrize(
    "function",
    [Notes.begin, Notes.discard, Notes._tidy_up],
    ids=lambda function: function.__qualname__,
)
def test_a_dispatch_of_the_same_object_where_it_is_forgotten(function: Any, refused: bool) -> None:
    remembered: Dispatched[str] = Dispatched()
    same = callback()
    handler: Any = None
    notes: Any = None

    def remember(value: str, refused: bool) -> None:
        try:
            with remembered.remember(handler, same, value):
                if refused:
                    raise TypeError("as planned")
        except TypeError:
            pass

    def setup() -> tuple[Callable[[], Any], Callable[[], Any]]:
        nonlocal handler, notes
        handler = get_handler("threading")
        remember("first", False)
        (notes,) = handler._notes.values()

        def body() -> None:
            remember("refused", True)
            notes.begin(same)

        return body, lambda: remember("in the midst", refused)

    for _ in at_each_instruction(function, setup):
        assert remembered.take(handler, same) == "first"
        notes.end(same)
        assert remembered.count(handler) == (0 if refused else 1)
        notes.begin(same)
        assert remembered.take(handler, same) == (None if refused else "in the midst")
        assert remembered.count(handler) == 0
