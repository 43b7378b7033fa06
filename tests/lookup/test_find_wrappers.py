"""Wrappers by their names, in the list and in the environment."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from fake_plugins import Site
from handler_core_threading import SequentialThreadingHandler

from handler_core import (
    Callback,
    HandlerLoadError,
    HandlerNotFoundError,
    HandlerValidationError,
    get_handler,
)


@pytest.fixture
def site(site: Site) -> Site:
    """Return a folder with a distribution of good and bad wrappers."""
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
    return site


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
        # The program gives the class or an object. That one is used, in its own place.
        ("a,b", "A", "BA"),
        ("a,b", "A()", "BA"),
        ("c,b", "c.", "BC"),
        ("a,b", "A2()", ["B", "A2"]),
        # Objects and classes without a name are not taken for the same.
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
