"""The compiled build of the hot modules behaves as their Python source does.

All other tests run on both builds. These are about what a compiled class might do differently.
"""

from __future__ import annotations

import contextvars
import copy
import gc
import inspect
import pickle
import shutil
import subprocess
import sys
import threading
import time
import traceback
import weakref
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from handler_core_threading import SequentialThreadingHandler

import handler_core
from execution.tasks import LIMIT, ended
from handler_core import AsyncResult, Callback, Handler, get_handler
from handler_core.execution._compiled import HOT, MODULES, NATIVE, build
from handler_core.execution._mailbox import InContext, Mailbox, Mailroom, State

#: All modules that are compiled on this platform.

WHICH = "from handler_core.execution._compiled import build; print(build())"


def run(program: str, folder: Path | None = None, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_variable_and_the_gil_decide() -> None:
    suffix = EXTENSION_SUFFIXES[0]
    root = Path(handler_core.__file__).parent.parent
    there = {root.joinpath(*name.split(".")).with_suffix(suffix).exists() for name in MODULES}
    assert len(there) == 1, "some hot modules are compiled and others are not"
    best = "compiled" if there == {True} else "Python source"
    assert run(WHICH) == run(WHICH, HANDLER_CORE_PURE="") == best
    assert run(WHICH, HANDLER_CORE_PURE="0") == best
    assert run(WHICH, HANDLER_CORE_PURE="1") == "Python source"
    assert run("import sys; sys._is_gil_enabled = lambda: False; " + WHICH) == "Python source"


@pytest.mark.skipif(build() != "compiled", reason="there are no compiled modules to leave out")
def test_modules_of_different_builds_are_not_mixed(tmp_path: Path) -> None:
    package = Path(handler_core.__file__).parent
    shutil.copytree(package, tmp_path / "handler_core")
    missing = tmp_path.joinpath(*HOT[-1].split(".")).with_suffix(EXTENSION_SUFFIXES[0])
    missing.unlink()
    why = "; from handler_core.execution._compiled import reason; print(reason())"
    which, reason = run(WHICH + why, tmp_path).splitlines()
    assert which == "Python source"
    assert f"{missing} is missing" in reason


SECOND_INTERPRETER = """
import handler_core
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
run = interpreters.exec if hasattr(interpreters, "exec") else interpreters.run_string
second = interpreters.create()
failed = run(second, '''
import os
from handler_core import AsyncResult
from handler_core.execution._compiled import build
result = AsyncResult()
result.set(3)
os.write(1, f"{build()}, {result.get()}".encode())
''')
assert failed is None, failed
interpreters.destroy(second)
"""


def test_a_second_interpreter_of_the_process_takes_the_source() -> None:
    assert run(SECOND_INTERPRETER) == "Python source, 3"


def test_all_hot_modules_come_from_the_same_build() -> None:
    compiled = {not str(sys.modules[name].__file__).endswith(".py") for name in HOT}
    assert compiled == {build() == "compiled"}
    is_there = build() == "compiled" and sys.platform == "linux"
    assert {name in sys.modules for name in NATIVE} == {is_there}


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("get", {"block": True, "timeout": None}),
        ("wait", {"timeout": None}),
        ("set", {"value": None}),
        ("set_exception", {"exception": inspect.Parameter.empty}),
        ("link", {"callback": inspect.Parameter.empty}),
        ("rawlink", {"callback": inspect.Parameter.empty}),
        ("unlink", {"callback": inspect.Parameter.empty}),
        ("add_waiter", {"waiter": inspect.Parameter.empty}),
        ("ready", {}),
        ("get_nowait", {}),
    ],
)
def test_signatures_and_docstrings(name: str, parameters: dict[str, object]) -> None:
    method = getattr(AsyncResult(), name)
    found = inspect.signature(method).parameters
    assert {each.name: each.default for each in found.values()} == parameters
    assert inspect.getdoc(method)


def test_keywords_are_accepted() -> None:
    result: AsyncResult[int] = AsyncResult(handler=None)
    result.link(callback=lambda result: None)
    result.set(value=3)
    assert result.get(block=True, timeout=0) == 3
    with pytest.raises(TypeError):
        result.get(seconds=3)  # type: ignore[call-arg]


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_result_can_be_neither_pickled_nor_copied(duplicate: Any) -> None:
    with pytest.raises(TypeError, match=r"a AsyncResult can be neither pickled nor copied"):
        duplicate(AsyncResult())


def test_a_subclass_may_have_attributes_and_override_methods() -> None:
    class Counting(AsyncResult[int]):
        def __init__(self, handler: Handler | None = None, *, label: str) -> None:
            super().__init__(handler)
            self.label = label
            self.sets = 0

        def set(self, value: int | None = None) -> None:
            self.sets += 1
            super().set(value)

        def wait(self, timeout: float | None = None) -> bool:
            self.set(7)
            return super().wait(timeout)

    result = Counting(label="x")
    assert result.get() == 7
    assert (result.sets, result.label) == (1, "x")
    assert repr(result) == "<Counting value=7>"
    assert AsyncResult[int].__origin__ is AsyncResult  # type: ignore[misc]


def test_a_handler_class_may_have_slots_and_other_bases() -> None:
    class Base:
        def who(self) -> str:
            return "base"

    class Mine(Base, SequentialThreadingHandler):
        __slots__ = ("extra",)

    with Mine() as handler:
        handler.extra = 1  # type: ignore[misc]
        handler.anything = 2  # type: ignore[attr-defined]
        result = handler.async_result()
        handler.dispatch_callback(Callback("set", result.set, (handler.who(),)))
        assert result.get(timeout=60) == "base"
    assert isinstance(handler, Mailroom)


def test_a_method_of_one_handler_can_be_replaced() -> None:
    with get_handler("threading") as handler:
        with mock.patch.object(handler, "dispatch_callback") as dispatch:
            handler.dispatch_callback(Callback("x", print, ()))
        dispatch.assert_called_once()
        with mock.patch.object(AsyncResult, "get", return_value=5):
            assert handler.async_result().get() == 5


def test_weak_references() -> None:
    handler = get_handler("threading")
    result = handler.async_result()
    references = [weakref.ref(handler), weakref.ref(result)]
    assert [each() for each in references] == [handler, result]
    del handler, result
    gc.collect()
    assert [each() for each in references] == [None, None]


def test_a_result_that_holds_itself_is_collected() -> None:
    result: AsyncResult[Any] = AsyncResult()
    result.set(result)
    reference = weakref.ref(result)
    del result
    gc.collect()
    assert reference() is None


def test_a_link_in_a_context_equals_its_link_and_has_no_hash() -> None:
    link = InContext(print, contextvars.copy_context())
    assert link == print
    assert link == InContext(print, contextvars.Context())
    assert link != len
    with pytest.raises(TypeError, match="unhashable"):
        hash(link)


def test_the_old_outcome_is_replaced_before_it_is_finalized() -> None:
    """Its finalizer may read the result, and must find the new outcome there."""
    result: AsyncResult[Any] = AsyncResult()
    seen = []

    class Value:
        def __del__(self) -> None:
            seen.append(repr(result))

    result.set(Value())
    result.set(1)
    result.set(Value())
    result.set_exception(OSError("second"))
    assert seen == ["<AsyncResult value=1>", "<AsyncResult exception=OSError('second')>"]


def test_a_traceback_shows_the_source() -> None:
    result: AsyncResult[Any] = AsyncResult()
    result.set_exception(OSError("as planned"))
    with pytest.raises(OSError, match="as planned") as caught:
        result.get()
    entry = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert entry.name.rpartition(".")[2] == "get"
    assert entry.line is not None
    assert entry.line.startswith("raise outcome.exception")


def test_a_handler_without_its_base_class_is_no_crash() -> None:
    """Its attributes were never set."""

    class Careless(SequentialThreadingHandler):
        def __init__(self) -> None:
            pass

    careless = Careless()
    result = AsyncResult[Any](careless)
    for call in (
        lambda: careless.dispatch_callback(Callback("x", print, ())),
        lambda: (result.link(print), result.set()),
        careless.start,
        careless.stop,
    ):
        with pytest.raises((AttributeError, TypeError)):
            call()


def test_a_result_without_its_base_class_is_pending() -> None:
    class Careless(AsyncResult[int]):
        def __init__(self) -> None:
            pass

    with pytest.raises(AttributeError):
        Careless().get()


def test_a_handler_may_be_an_imitation() -> None:
    """A test of a client may give a result any object with the attributes of a handler."""
    imitation = mock.create_autospec(get_handler("threading"), instance=True)
    imitation._lock = threading.RLock()
    imitation._unstarted = imitation.keeps_context = False
    result = AsyncResult[int](imitation)
    result.link(print)
    result.set(1)
    imitation._queue_links.assert_called_once()
    assert result.get() == 1


def test_only_one_way_to_set_is_in_use_at_a_time() -> None:
    """Otherwise a setter that holds the lock would be overtaken by one that takes none."""
    with get_handler("threading") as handler:
        result = handler.async_result()
        done = result._settle_under_lock(1)
        assert done is result.ready() is (build() != "compiled")
        result.set(2)
        assert result.get() == 2


def test_a_stop_tells_setters_before_it_looks_for_work() -> None:
    states = []

    class Looking(SequentialThreadingHandler):
        def _is_idle(self) -> bool:
            states.append(self._state)
            return super()._is_idle()

    with Looking():
        pass
    assert states == [State.DRAINING]


def test_a_wake_that_fails_leaves_the_links_to_the_worker() -> None:
    class Failing:
        def wake(self) -> None:
            raise KeyboardInterrupt

    with get_handler("threading") as handler:
        worker_waits(handler)
        ran = threading.Event()
        result = handler.async_result()
        result.add_waiter(Failing())
        result.link(lambda result: ran.set())
        with pytest.raises(KeyboardInterrupt):
            result.set()
        assert ran.wait(LIMIT)


def worker_waits(handler: Handler) -> None:
    """Have the worker of the links started, and return when it is parked."""
    result = handler.async_result()
    result.link(lambda result: None)
    result.set()
    while not handler.idle_workers():
        time.sleep(0.001)


def test_a_waiter_that_gives_up_during_a_set_takes_no_other_ones_place() -> None:
    inside, go, removed = threading.Event(), threading.Event(), threading.Event()
    woken = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def wake(self) -> None:
            woken.append(self.name)
            if self.name == "a":
                go.set()
                assert removed.wait(LIMIT)

        def __eq__(self, other: object) -> bool:
            if threading.current_thread() is remover and not inside.is_set():
                inside.set()
                if build() == "compiled":  # otherwise the setter waits for the lock
                    assert go.wait(LIMIT)
            return isinstance(other, Named) and self.name == other.name

        __hash__ = None  # type: ignore[assignment]

    with get_handler("threading") as handler:
        result = handler.async_result()
        waiters = [Named(name) for name in "xab"]
        for waiter in waiters:
            result.add_waiter(waiter)

        def give_up() -> None:
            result.remove_waiter(waiters[1])
            removed.set()

        remover = threading.Thread(target=give_up, daemon=True)
        remover.start()
        assert inside.wait(LIMIT)
        result.set()
        ended(remover)
    assert woken[0] == "x"
    assert woken[-1] == "b"


def test_a_mailbox_refuses_what_is_no_callback() -> None:
    with pytest.raises(TypeError, match=r"an object with .func and .args, not 3"):
        Mailbox(False).post(3)  # type: ignore[arg-type]
