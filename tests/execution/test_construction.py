"""A result is made as any object is. A compiled build does it by a shorter way, where it can."""

from __future__ import annotations

import abc
import gc
import sys
import traceback
import weakref
from typing import Any
from unittest import mock

import pytest

from handler_core import AsyncResult, Handler, get_handler
from handler_core.execution._compiled import build
from handler_core.execution._result_core import ResultCore

Result = AsyncResult[Any]


@pytest.fixture(params=[0, 1, 2], ids=["AsyncResult", "a model's class", "a class of its own"])
def result_class(request: pytest.FixtureRequest) -> type[Result]:
    class Own(type(get_handler("threading").async_result())):  # type: ignore[misc]
        pass

    classes = [AsyncResult, type(get_handler("threading").async_result()), Own]
    return classes[request.param]  # type: ignore[no-any-return]


@pytest.fixture
def handler() -> Handler:
    return get_handler("threading")


def test_all_ways_to_name_the_handler(result_class: type[Result], handler: Handler) -> None:
    other = get_handler("threading")
    assert result_class(handler)._handler is handler
    assert result_class(handler=handler)._handler is handler
    assert result_class(*[handler])._handler is handler
    assert result_class(*[], **dict.fromkeys(["handler"], handler))._handler is handler
    with mock.patch.object(result_class, "detached", other, create=True):
        assert result_class()._handler is result_class(None)._handler is other
        assert result_class(handler=None)._handler is other


def test_a_new_result_is_pending_and_of_its_class(
    result_class: type[Result], handler: Handler
) -> None:
    results = [result_class(handler) for _ in range(3)]
    assert [type(result) for result in results] == [result_class] * 3
    assert not any(result.ready() for result in results)
    results[0].set(1)
    assert [result.ready() for result in results] == [True, False, False]


def test_wrong_arguments_are_refused(result_class: type[Result], handler: Handler) -> None:
    with pytest.raises(TypeError, match="argument"):
        result_class(handler, handler)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="argument"):
        result_class(handler, handler=handler)  # type: ignore[misc]
    with pytest.raises(TypeError, match="hub"):
        result_class(hub=handler)  # type: ignore[call-arg]


def test_a_class_with_an_init_of_its_own(handler: Handler) -> None:
    class Named(AsyncResult[Any]):
        def __init__(self, handler: Handler, name: str = "none") -> None:
            super().__init__(handler)
            self.name = name

    class Inherits(Named):
        pass

    for cls in Named, Inherits:
        assert cls(handler).name == "none"
        assert cls(handler, "a").name == cls(handler, name="a").name == "a"
        assert cls(handler)._handler is handler


def test_a_class_with_a_new_of_its_own(handler: Handler) -> None:
    class Shared(AsyncResult[Any]):
        def __new__(cls, *arguments: Any) -> Any:
            return "made" if arguments else super().__new__(cls)

    assert Shared(handler) == "made"


def test_a_mixin_comes_first(handler: Handler) -> None:
    class Counts:
        made = 0

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            Counts.made += 1

    class Counted(Counts, AsyncResult[Any]):
        pass

    assert Counted(handler)._handler is handler
    assert Counts.made == 1
    del Counts.__init__
    Counted(handler)
    assert Counts.made == 1


@pytest.mark.parametrize("patched", ["itself", "its base"])
def test_an_init_may_come_and_go(patched: str, handler: Handler) -> None:
    class Base(AsyncResult[Any]):
        pass

    class Result(Base):
        pass

    seen: list[Any] = []

    def init(self: Any, *arguments: Any) -> None:
        seen.append(arguments)

    with mock.patch.object(Result if patched == "itself" else Base, "__init__", init):
        Result(handler)
    assert seen == [(handler,)]
    assert Result(handler)._handler is handler
    assert seen == [(handler,)]


def test_a_construction_without_an_end_is_a_recursion_error(handler: Handler) -> None:
    class Result(AsyncResult[Any]):
        pass

    class Other(AsyncResult[Any]):
        pass

    Result.__init__ = staticmethod(Other)  # type: ignore[assignment, method-assign]
    Other.__init__ = staticmethod(Result)  # type: ignore[assignment, method-assign]
    with pytest.raises(RecursionError):
        Result(handler)


def test_an_abstract_class_has_no_objects(handler: Handler) -> None:
    class Abstract(AsyncResult[Any], abc.ABC):
        @abc.abstractmethod
        def name(self) -> str: ...

    class Concrete(Abstract):
        def name(self) -> str:
            return "concrete"

    with pytest.raises(TypeError, match="abstract"):
        Abstract(handler)
    assert Concrete(handler).name() == "concrete"


def test_a_metaclass_decides(handler: Handler) -> None:
    class Meta(type):
        def __call__(cls, *arguments: Any) -> Any:
            return super().__call__(*arguments), "by the metaclass"

    class Result(AsyncResult[Any], metaclass=Meta):
        pass

    made = Result(handler)
    assert made[1] == "by the metaclass"
    assert made[0]._handler is handler

    class LateMeta(type):
        pass

    class Late(AsyncResult[Any], metaclass=LateMeta):
        pass

    assert Late(handler)._handler is handler
    LateMeta.__call__ = lambda cls, *arguments: "late"  # type: ignore[method-assign]
    assert Late(handler) == "late"


def test_a_class_takes_class_arguments_and_an_init_subclass(handler: Handler) -> None:
    class Base(AsyncResult[Any]):
        names: list[str] = []  # noqa: RUF012

        def __init_subclass__(cls, name: str = "", **options: Any) -> None:
            super().__init_subclass__(**options)
            cls.names.append(name)

    class Result(Base, name="first"):
        pass

    assert Base.names == ["first"]
    assert Result(handler)._handler is handler
    with pytest.raises(TypeError, match="no keyword arguments"):
        type("Wrong", (AsyncResult,), {}, colour="red")


def test_other_bases_attributes_and_slots(handler: Handler) -> None:
    class Slots(AsyncResult[Any]):
        __slots__ = ("a", "b")

    class Attributes(Slots):
        c = 3

    result = Attributes(handler)
    result.a, result.d = 1, 4  # type: ignore[attr-defined]
    assert (result.a, result.c, result.d) == (1, 3, 4)  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        result.b  # noqa: B018


def test_the_traceback_of_an_init_that_raises_is_the_users(handler: Handler) -> None:
    class Fails(AsyncResult[Any]):
        def __init__(self, *arguments: Any) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        Fails(handler)
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [frame.name for frame in frames] == [
        "test_the_traceback_of_an_init_that_raises_is_the_users",
        "__init__",
    ]


def test_nothing_is_left(result_class: type[Result], handler: Handler) -> None:
    for _ in range(10):
        result_class(handler), result_class(handler=handler)
    gc.collect()
    handlers, classes = sys.getrefcount(handler), sys.getrefcount(result_class)
    none = sys.getrefcount(())
    for _ in range(1_000):
        result_class(handler), result_class(handler=handler)
        with pytest.raises(TypeError):
            result_class(handler, 1)  # type: ignore[call-arg]
    gc.collect()
    assert sys.getrefcount(handler) - handlers < 100
    assert sys.getrefcount(result_class) - classes < 100
    assert abs(sys.getrefcount(()) - none) < 500


def test_a_class_is_collected(handler: Handler) -> None:
    class Result(AsyncResult[Any]):
        pass

    Result(handler).set(1)
    gone = weakref.ref(Result)
    del Result
    gc.collect()
    assert gone() is None


def test_a_result_in_a_cycle_is_collected(handler: Handler) -> None:
    class Result(AsyncResult[Any]):
        pass

    result = Result(handler)
    result.me = result  # type: ignore[attr-defined]
    gone = weakref.ref(result)
    del result
    gc.collect()
    assert gone() is None


@pytest.mark.skipif(build() != "compiled", reason="the Python source has no shorter way")
def test_the_short_way_is_for_results_only() -> None:
    from handler_core.execution._quick_construction import construct_quickly

    with pytest.raises(TypeError, match="not a class of results"):
        construct_quickly(dict)
    with pytest.raises(TypeError, match="not a class of results"):
        construct_quickly(ResultCore(get_handler("threading")))  # type: ignore[arg-type]
